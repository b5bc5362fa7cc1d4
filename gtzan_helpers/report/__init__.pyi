from . import book as book
from . import publish as publish
