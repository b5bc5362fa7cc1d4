"""The embedded dataset: ten musical recipes, played by artists, with known faults.

GTZAN may not be redistributed, so the package synthesises music. Ten *recipes* carry GTZAN's
genre names and differ as genres do: tempo, metre, drum pattern, swing, harmony, instruments,
distortion, room. *Artists* draw their sound from a recipe once and keep it: instruments, drum
kit, effects, recording. *Tracks* are what an artist plays: key, tempo, chords, melody,
arrangement. Recipes overlap, and some artists borrow from a neighbouring genre.

Its faults are GTZAN's, except that they are known: duplicates (exact, or cut and scaled), wrong
labels, and few artists. `make_plan` lists them for every track.

Taught in notebook 00.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
