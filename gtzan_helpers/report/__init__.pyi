from . import book as book
from . import publish as publish
from . import record as record
