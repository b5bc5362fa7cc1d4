"""The input of MusiCNN: patches of a compressed mel spectrogram, 3 s long."""

import numpy as np

from gtzan_helpers.audio import spectra

PATCH_SECONDS = 3.0
PATCH_SR, PATCH_FFT, PATCH_HOP = 16_000, 512, 256
#: Frames and bands of a patch, 3 s at `PATCH_SR`.
PATCH_SHAPE = (187, 96)

# Level of the loudest point of a track's mel spectrogram, the median over GTZAN's mini set.
LOUDEST_DB = 31.4


def patches(y: np.ndarray, starts_s: np.ndarray) -> np.ndarray:
    """Cut patches out of a track.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Audio at `PATCH_SR`.
    starts_s : ndarray, shape (n_patches,)
        Start of each patch in seconds; a patch beyond the end continues at the beginning.

    Returns
    -------
    ndarray, shape (n_patches, 187, 96), float16
        ``log10(1 + 10000 mel)``, the compression that the network was trained with.
    """
    settings = {"n_fft": PATCH_FFT, "hop_length": PATCH_HOP, "n_mels": PATCH_SHAPE[1]}
    mel = spectra.mel(y, sr=PATCH_SR, **settings)
    compressed = np.log10(1 + 10_000 * mel.T).astype(np.float16)
    first = np.round(np.asarray(starts_s) * PATCH_SR / PATCH_HOP).astype(int)
    frames = (first[:, None] + np.arange(PATCH_SHAPE[0])) % len(compressed)
    return compressed[frames]


def patches_from_log_mel(
    log_mel: np.ndarray, starts_s: np.ndarray, *, frame_rate: float, sr: int, n_fft: int
) -> np.ndarray:
    """Approximate patches from a log-mel spectrogram.

    Levels are interpolated between bands and between frames. Changes within a frame, and between
    frames that are far apart, are lost: beats are blurred, timbre remains.

    Parameters
    ----------
    log_mel : ndarray, shape (n_mels, n_frames)
        In dB relative to the track's maximum.
    starts_s : ndarray, shape (n_patches,)
        Start of each patch in seconds.
    frame_rate : float
        Frames per second.
    sr, n_fft : int
        Sampling rate in Hz, at least `PATCH_SR`, and length of the frames in samples of the
        audio that the spectrogram was computed from.

    Returns
    -------
    ndarray, shape (n_patches, 187, 96), float16
        See `patches`.
    """
    from scipy.ndimage import map_coordinates

    n_frames, n_bands = PATCH_SHAPE
    centres = spectra.mel_centres(sr, len(log_mel))
    bands = np.interp(spectra.mel_centres(PATCH_SR, n_bands), centres, np.arange(len(log_mel)))
    times = np.asarray(starts_s)[:, None] + np.arange(n_frames) * PATCH_HOP / PATCH_SR
    frames = np.minimum(times * frame_rate, log_mel.shape[1] - 1)[..., None]
    level = map_coordinates(log_mel, np.broadcast_arrays(bands, frames), order=1, mode="nearest")
    # A frame's power grows with the square of its length, for tones and for noise.
    level += LOUDEST_DB + 20 * np.log10(PATCH_FFT / n_fft)
    return np.log10(1 + 10_000 * 10 ** (level / 10)).astype(np.float16)
