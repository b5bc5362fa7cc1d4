from .artists import draw_artist as draw_artist
from .artists import draw_song as draw_song
from .dataset import EmbeddedDataset as EmbeddedDataset
from .dataset import make as make
from .dataset import render as render
from .plan import make_plan as make_plan
from .playing import play as play
