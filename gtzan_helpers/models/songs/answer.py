"""What a model says of one song."""

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Answer:
    """What a model says of one song.

    Attributes
    ----------
    file : str
        The file, as it was named.
    model : str
        Name of the model.
    probabilities : dict of {str: float}
        Of each genre, over the whole song, the most probable first; empty where no genre is named.
    genres : tuple of str
        The prediction set: genres in the order of their probabilities, of which one is right with
        a probability of `coverage`. Empty where no genre is named, because the recording is unlike
        anything that the model was trained on.
    seconds : float
        Length of the song.
    coverage : float or None
        Share of the sets that hold the right genre; None if the model promises nothing, and the
        set is its first answer.
    notices : tuple of str
        What to know about the recording or the answer, each a sentence without a full stop.
    timeline : DataFrame
        `start_s` and the probability of each genre, a row for each part; empty unless asked for.
        Parts that are unlike anything in the training songs are left out.
    neighbours : DataFrame
        `track_id`, `genre`, `similarity` (0 to 1) of the most similar songs that it was trained
        on, the most similar first; empty if the model keeps none.
    reasons : dict of {str: float}
        What spoke for the first genre, by name, and how much (negative: against it), most first;
        empty if the model cannot tell.
    """

    file: str
    model: str
    probabilities: dict[str, float]
    genres: tuple[str, ...] = ()
    seconds: float = 0.0
    coverage: float | None = None
    notices: tuple[str, ...] = ()
    timeline: pd.DataFrame = field(default_factory=pd.DataFrame)
    neighbours: pd.DataFrame = field(default_factory=pd.DataFrame)
    reasons: dict[str, float] = field(default_factory=dict)

    @property
    def genre(self) -> str | None:
        """The most probable genre; None where no genre is named."""
        return self.genres[0] if self.genres else None

    @property
    def words(self) -> str:
        """The prediction set in words: "rock, or blues"."""
        return ", or ".join(self.genres) or "unlike anything in the training songs"

    @property
    def promise(self) -> str:
        """The same, and what such sets promise."""
        if not (self.genres and self.coverage):
            return self.words
        return f"{self.words} ({100 * self.coverage:.0f} % of such sets hold the right genre)"
