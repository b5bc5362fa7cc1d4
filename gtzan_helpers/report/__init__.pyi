from . import pages as pages
from . import publish as publish
