"""What the last notebooks ask of a run, and what they are given where it cannot answer."""

import pandas as pd
import pytest

from gtzan_helpers import datasets, experiments


@pytest.fixture(scope="module")
def run(tmp_path_factory, session_cache):
    with pytest.MonkeyPatch.context() as places:
        places.setenv("GTZAN_CACHE", str(session_cache))
        return experiments.start(profile="smoke", run_dir=tmp_path_factory.mktemp("run"))


def test_features_that_are_not_possible_are_those_of_no_track(run):
    features = experiments.if_possible(run.features, "pictures", segment_seconds=0)
    assert len(features.segments) == len(features.values) == 0
    assert features.frame().empty
    possible = experiments.if_possible(run.features)
    assert len(possible.values) == len(run.features().values)


def test_a_run_without_the_network_names_no_new_song(run):
    answer = experiments.on_new_songs(run, "images_vgg19")
    assert answer.n_tracks == 0 and not answer.confusion.to_numpy().any()


def test_tracks_are_shown_with_players_and_spectrograms_as_far_as_there_are_any(run, tmp_path):
    table = pd.DataFrame({"track": run.tracks.track_id[:2]})
    page = run.listen(table).to_html()
    assert page.count("<audio") == 2 and page.count("alt='mel spectrogram") == 2
    path = tmp_path / "features.csv"
    datasets.write_csv(path, run.features("kaggle", segment_seconds=0), segment_seconds=0)
    without = experiments.start(path, profile="smoke", run_dir=tmp_path / "run")
    page = without.listen(pd.DataFrame({"track": without.tracks.track_id[:2]})).to_html()
    assert "<audio" not in page and "<img" not in page


def test_every_track_is_tested_once_by_artists_where_they_are_known(run, labelled_folder):
    assert run.pooled == "artist_grouped"
    source = datasets.open_source(labelled_folder(tracks=10), profile="smoke")
    assert experiments.Run(source, 0, run.folder).pooled == "track_random"
