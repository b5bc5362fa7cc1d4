from . import answer_page as answer_page
from . import answers as answers
from . import book as book
from . import publish as publish
from . import record as record
