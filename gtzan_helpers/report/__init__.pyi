from .pages import embed_pictures as embed_pictures
from .pages import index as index
from .pages import write_notebook as write_notebook
from .publish import gather as gather
from .publish import readme_tables as readme_tables
from .publish import write as write
