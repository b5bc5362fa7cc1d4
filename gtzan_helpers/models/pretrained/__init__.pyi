from . import lite0 as lite0
from . import musicnn as musicnn
from . import transfer as transfer
