"""Networks that learnt something else first: ImageNet backbones on pictures of music, and MusiCNN.

A backbone is cut in two. What the lower part, the trunk, makes of a picture is computed once and
kept; only the upper part, the tail, and a new head on it are trained. Taught in notebook 06.
"""

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import h5py  # Keras brings it
import matplotlib
import numpy as np
import pandas as pd

from gtzan_helpers import config, dataset, extract, files, musicnn, networks, progress, training
from gtzan_helpers.backend import keras, ops
from gtzan_helpers.errors import (
    MissingWeightsError,
    NotPossibleError,
    SettingError,
    SourceError,
    reason,
)
from gtzan_helpers.splits import Split

_CHUNK = 8
"""Pictures, or patches, that go through a network at a time."""


@dataclass(frozen=True)
class Backbone:
    """An ImageNet network of `keras.applications`.

    Attributes
    ----------
    application : str
        Its function there.
    module : str
        Where its own preprocessing lives.
    file : str
        What Keras calls its weights without the classifier.
    cuts : tuple of str
        Where the tail may begin: above the first lies the last block, above the next more.
    """

    application: str
    module: str
    file: str
    cuts: tuple[str, ...]


BACKBONES: Mapping[str, Backbone] = {
    "vgg19": Backbone(
        "VGG19",
        "vgg19",
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        ("block4_pool", "block3_pool"),
    ),
    "efficientnetb0": Backbone(
        "EfficientNetB0", "efficientnet", "efficientnetb0_notop.h5", ("block6d_add", "block5c_add")
    ),
    "inceptionv3": Backbone(
        "InceptionV3",
        "inception_v3",
        "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        ("mixed9", "mixed8"),
    ),
    "mobilenetv2": Backbone(
        "MobileNetV2",
        "mobilenet_v2",
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{size}_no_top.h5",
        ("block_15_add", "block_12_add"),
    ),
}


@dataclass(frozen=True)
class Transfer:
    """How a backbone is put to use.

    Attributes
    ----------
    backbone : str
        See `BACKBONES`.
    weights : str
        ``imagenet``, ``random``, or the path of a weight file.
    size : int
        Height and width that pictures are brought to, in pixels.
    colours : str
        Matplotlib's name of the colours that a spectrogram is drawn in.
    depth : int
        Blocks that are fine-tuned after the head was trained; 0 leaves all frozen.
    units : int
        Of the head's hidden layer.
    dropout : float
    learning_rate, tuning_rate : float
        At the start, of the head and of fine-tuning.
    epochs, tuning_epochs : int
    batch_size : int
    """

    backbone: str
    weights: str = "imagenet"
    size: int = 224
    colours: str = "viridis"
    depth: int = 1
    units: int = 128
    dropout: float = 0.3
    learning_rate: float = 1e-3
    tuning_rate: float = 1e-4
    epochs: int = 30
    tuning_epochs: int = 10
    batch_size: int = 32

    copies = ()
    components = False

    @property
    def cut(self) -> str:
        """Layer whose output is kept; what lies above can be trained."""
        return BACKBONES[self.backbone].cuts[max(1, self.depth) - 1]

    def head(self) -> networks.Network:
        """What is trained on the frozen backbone."""
        return networks.Network(
            networks.dense,
            {"units": (self.units,), "dropout": self.dropout},
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            patience=8,
        )

    def tuning(self) -> networks.Network:
        """How the tail is trained after the head."""
        return replace(self.head(), epochs=self.tuning_epochs, learning_rate=self.tuning_rate)

    def settings(self, shape: tuple[int, ...], n_labels: int) -> str:
        """Everything that training depends on but data and seed, as text."""
        return json.dumps([asdict(self), shape, n_labels])


_TRANSFERS: Mapping[str, Transfer] = {
    "images_vgg19": Transfer("vgg19"),
    "images_efficientnetb0": Transfer("efficientnetb0"),
    "images_inceptionv3": Transfer("inceptionv3"),
    "images_mobilenetv2": Transfer("mobilenetv2"),
    # Small pictures, because nothing is to be expected of it.
    "ours_random_mobilenetv2": Transfer("mobilenetv2", weights="random", size=96),
}


def get(system_id: str) -> Transfer:
    """Return how a system uses its backbone.

    Raises
    ------
    SettingError
        If it has none.
    """
    if system_id not in _TRANSFERS:
        raise SettingError(f"{system_id!r} has no backbone; choose from {', '.join(_TRANSFERS)}")
    return _TRANSFERS[system_id]


def names() -> list[str]:
    """Ids of the systems that use a backbone."""
    return list(_TRANSFERS)


# Weights


def find_weights(transfer: Transfer) -> Path | None:
    """Find ImageNet weights that Keras fetched, or that a user put beside them.

    Returns
    -------
    Path or None
        In ``models`` below `KERAS_HOME` (``~/.keras`` where that is not set).
    """
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    path = home / "models" / _file(transfer)
    return path if path.is_file() else None


def _file(transfer: Transfer) -> str:
    # Keras has weights of MobileNetV2 for some sizes, and takes those of 224 for all others.
    size = transfer.size if transfer.size in (96, 128, 160, 192, 224) else 224
    return BACKBONES[transfer.backbone].file.format(size=size)


@lru_cache(maxsize=1)  # its next use is nearly always the same
def build(transfer: Transfer, *, fetch: bool = False) -> keras.Model:
    """Build a backbone without its classifier: pictures in, one vector each out.

    Parameters
    ----------
    transfer : Transfer
    fetch : bool
        Whether Keras may download weights that are not there.

    Returns
    -------
    keras.Model
        Not to be trained, as it is handed out again; train a copy of its tail.

    Raises
    ------
    MissingWeightsError
        If ImageNet weights are neither there nor can be fetched.
    SourceError
        If a weight file is damaged, or that of another network.
    """
    path = _weight_path(transfer)
    application = getattr(keras.applications, BACKBONES[transfer.backbone].application)
    fetched = transfer.weights == "imagenet" and path is None
    if fetched and not fetch:
        raise MissingWeightsError(_missing(transfer, "it is not there"))
    keras.utils.set_random_seed(0)  # the same random weights in every run
    shape = (transfer.size, transfer.size, 3)
    settings = {"include_top": False, "input_shape": shape, "pooling": "avg"}
    if fetched:
        try:
            return application(weights="imagenet", **settings)
        except Exception as error:  # whatever Keras's downloader raises
            raise MissingWeightsError(_missing(transfer, "it could not be fetched")) from error
    model = application(weights=None, **settings)
    if path is None:
        _settle(model)
    else:
        _load(model, path)
    return model


def _weight_path(transfer: Transfer) -> Path | None:
    if transfer.weights in ("imagenet", "random"):
        return find_weights(transfer) if transfer.weights == "imagenet" else None
    if not Path(transfer.weights).is_file():
        raise SourceError(f"{transfer.weights}: there is no such weight file")
    return Path(transfer.weights)


def _load(model: keras.Model, path: Path) -> None:
    try:
        with h5py.File(path) as file:
            of_keras_3 = "layers" in file
        # Keras tells its two formats by the ending, whatever the file holds.
        ending = ".weights.h5" if of_keras_3 else ".h5"
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras only warns of absent layers
            model.load_weights(shutil.copy(path, Path(folder) / f"copy{ending}"))
    except (OSError, ValueError, KeyError, RuntimeError, UserWarning) as error:
        raise SourceError(
            f"{path}: not the weights of {model.name} ({reason(error)}); remove the file"
        ) from error


def _settle(model: keras.Model) -> None:
    """Give random weights the means and deviations of noise: else signals die on their way up."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(keras.random.normal((8, *model.input_shape[1:]), seed=0), training=True)


def _missing(transfer: Transfer, reason: str) -> str:
    return (
        f"{_file(transfer)} ({reason}): with a network `gtzan run gtzan --only 06 --profile full` "
        "fetches it; without one put it into the folder models of KERAS_HOME"
    )


def halves(model: keras.Model, cut: str) -> tuple[keras.Model, keras.Model]:
    """Cut a backbone after a layer: trunk and tail."""
    between = model.get_layer(cut).output
    return keras.Model(model.input, between), keras.Model(between, model.output)


# Pictures


def pictures(source: dataset.Source, *, size: int, colours: str, jobs: int | None = None):
    """One picture per track: its log-mel spectrogram in colours, or the one in its folder.

    Parameters
    ----------
    source : Source
    size : int
        Height and width, in pixels.
    colours : str
        Matplotlib's name of a colour map.
    jobs : int or None
        Processes for extraction.

    Returns
    -------
    Extraction
        Values of shape (n_tracks, size, size, 3), uint8.
    """
    if source.kind == "pictures":
        return _ready_made(source, size)
    found = extract.extract(source, "log_mel", segment_seconds=0, jobs=jobs)
    values = np.stack([_resized(picture, size) for picture in coloured(found.values, colours)])
    return replace(found, values=values, what="pictures", frame_period=None)


def coloured(log_mels: np.ndarray, colours: str) -> Iterator[np.ndarray]:
    """Yield each log-mel, shape (n_bands, n_frames), as RGB with low bands below."""
    table = (255 * matplotlib.colormaps[colours](np.arange(256))[:, :3]).round().astype(np.uint8)
    return (table[log_mel[::-1]] for log_mel in log_mels)


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    small = ops.image.resize(picture.astype(np.float32), (size, size), antialias=True)
    return np.asarray(small).clip(0, 255).round().astype(np.uint8)


def _ready_made(source: dataset.Source, size: int) -> extract.Extraction:
    tracks = dataset.load(source)
    values, failures = [], []
    for track in tracks.itertuples():
        try:
            picture = keras.utils.load_img(track.path, target_size=(size, size))
            values.append(np.asarray(picture, np.uint8))
        except (OSError, ValueError, SyntaxError) as error:
            failures.append((track.track_id, track.path, reason(error)))
    if not values:
        raise NotPossibleError(f"{source.name}: not one of {len(tracks)} pictures could be read")
    table = pd.DataFrame(failures, columns=["track_id", "path", "reason"])
    kept = tracks[~tracks.track_id.isin(table.track_id)].reset_index(drop=True)
    segments = kept[["track_id"]].assign(segment=0, start_s=0.0, genre=kept.genre, repeated=False)
    return extract.Extraction(segments, np.stack(values), (), table, kept, "pictures")


# Embeddings


def embed(
    model: keras.Model,
    values: np.ndarray,
    *,
    name: str,
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """What a network makes of each example; computed once and kept in the cache.

    Parameters
    ----------
    model : keras.Model
    values : ndarray, shape (n_examples, ...)
    name : str
        Of the network and its weights; with the values it says what was computed.
    prepare : callable or None
        Turns a batch of values, float32, into what the network takes.

    Returns
    -------
    ndarray, shape (n_examples, ...), float16
    """
    digest = hashlib.sha256(values.tobytes() + name.encode() + str(values.shape).encode())
    entry = config.cache_dir() / "embeddings" / f"{digest.hexdigest()[:24]}.npy"
    try:
        return np.load(entry, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        pass  # not there, or damaged
    made = []
    chunks = [values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK)]
    for chunk in progress.bar(chunks, total=len(chunks), description="embed", unit="batch"):
        # Filled up, because each other size of a batch would be compiled anew.
        batch = np.resize(chunk, (_CHUNK, *chunk.shape[1:])).astype(np.float32)
        out = model.predict_on_batch(prepare(batch) if prepare else batch)
        made.append(np.asarray(out, np.float16)[: len(chunk)])
    embedded = np.concatenate(made)
    with files.replacing(entry) as temporary, temporary.open("wb") as file:
        np.save(file, embedded)
    return embedded


def activations(
    transfer: Transfer, source: dataset.Source, *, fetch: bool = False, jobs: int | None = None
) -> extract.Extraction:
    """What the trunk of a backbone makes of each track's picture.

    Parameters
    ----------
    transfer : Transfer
    source : Source
    fetch : bool
        Whether Keras may download weights.
    jobs : int or None
        Processes for extraction.

    Returns
    -------
    Extraction
        Values of shape (n_tracks, height, width, channels), float16.

    Raises
    ------
    MissingWeightsError, SourceError
        See `build`.
    """
    trunk, _ = halves(build(transfer, fetch=fetch), transfer.cut)
    found = pictures(source, size=transfer.size, colours=transfer.colours, jobs=jobs)
    module = getattr(keras.applications, BACKBONES[transfer.backbone].module)
    name = f"{transfer.backbone} {_digest(transfer)} {transfer.size} {transfer.cut}"
    values = embed(trunk, found.values, name=name, prepare=module.preprocess_input)
    return replace(found, values=values, what=f"pictures, {transfer.backbone}")


def _digest(transfer: Transfer) -> str:
    path = _weight_path(transfer)
    return files.digest(path) if path else transfer.weights


def heard(source: dataset.Source, *, jobs: int | None = None) -> extract.Extraction:
    """What MusiCNN makes of each 3 s of a source.

    Parameters
    ----------
    source : Source
        Audio, or a pack, from whose log-mel it is rebuilt (`features.rebuilt_patches`).
    jobs : int or None
        Processes for extraction.

    Returns
    -------
    Extraction
        Of `musicnn.columns`, values of shape (n_segments, 1756). Its `what` tells the two apart.

    Raises
    ------
    NotPossibleError
        If the source holds neither, or musicnn is not installed.
    """
    columns, digest = musicnn.columns(), musicnn.digest()
    found = extract.extract(source, extract.PATCHES, jobs=jobs)
    model = musicnn.build(musicnn.read_weights())
    values = embed(model, found.values, name=f"{musicnn.WEIGHTS} {digest}")
    what = "musicnn" if source.kind == "audio" else "musicnn of a log-mel"
    return replace(found, values=values.astype(np.float32), columns=columns, what=what)


# Training


def fit(
    transfer: Transfer,
    values: np.ndarray,
    y: np.ndarray,
    split: Split,
    *,
    inputs: training.Inputs,
    seed: int,
    epochs_limit: int | None = None,
    fetch: bool = False,
    description: str = "epochs",
) -> training.Trained:
    """Train a head on the frozen backbone; then fine-tune tail and head with small steps.

    Parameters
    ----------
    transfer : Transfer
    values : ndarray, shape (n_examples, height, width, channels)
        See `activations`.
    y, split, inputs, seed, epochs_limit, description
        As for `training.fit`.
    fetch : bool
        Whether Keras may download weights.

    Returns
    -------
    Trained
        Takes activations; its history has the column `stage`, "frozen" or "tuned". The weights
        are those of the epoch that is best on valid, in whichever stage.
    """
    _, shared = halves(build(transfer, fetch=fetch), transfer.cut)
    tail = keras.models.clone_model(shared)
    tail.set_weights(shared.get_weights())
    tail.trainable = False
    pooled = np.concatenate(
        [tail.predict_on_batch(values[i : i + _CHUNK].astype(np.float32))
         for i in range(0, len(values), _CHUNK)]
    )  # fmt: skip
    head = training.fit(
        transfer.head(),
        pooled,
        y,
        split,
        inputs=replace(inputs, shape=pooled.shape[1:]),
        seed=seed,
        epochs_limit=epochs_limit,
        description=f"{description}, frozen",
    )
    entry = keras.Input(inputs.shape)
    model = keras.Model(entry, head.model(tail(entry)))
    frozen = training.Trained(model, inputs, head.history.assign(stage="frozen"))
    if transfer.depth == 0:
        return frozen
    before = model.get_weights()
    tail.trainable = True
    for layer in tail.layers:
        # What it knows of means and deviations comes from a million pictures.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    tuned = training.fit(
        transfer.tuning(),
        values,
        y,
        split,
        inputs=inputs,
        seed=seed,
        epochs_limit=epochs_limit,
        description=f"{description}, tuned",
        model=model,
    )
    stages = [frozen.history, tuned.history.assign(stage="tuned")]
    scores = [_kept(history) for history in stages]
    if scores[0] >= scores[1]:
        model.set_weights(before)
    better = "frozen" if scores[0] >= scores[1] else "tuned"
    history = pd.concat(stages, ignore_index=True)
    history["epoch"] = np.arange(1, len(history) + 1)
    return replace(tuned, history=history.assign(best=history.best & (history.stage == better)))


def _kept(history: pd.DataFrame) -> tuple[float, float]:
    best = history[history.best].iloc[0]
    return best.val_accuracy, -best.val_loss
