from . import similarity as similarity
from .answer import Answer as Answer
from .model import SongModel as SongModel
from .model import load as load
from .model import save as save
from .of_run import RunModel as RunModel
