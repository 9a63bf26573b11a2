from pathlib import Path

from oars.config.curation import GeneratorEnhancerConfig, load_curation
from oars.deployment import deploy_path
from services.launch.miniature_judge import with_generator


def test_a_build_curates_with_the_generator_that_it_built():
    shipped = load_curation(deploy_path("compass/laptop.yaml"))
    own = with_generator(shipped, Path("/models/generator"))
    paths = {e.generator.path for e in own.enhancers if isinstance(e, GeneratorEnhancerConfig)}
    assert paths == {"/models/generator"}
    assert [e.name for e in own.enhancers] == [e.name for e in shipped.enhancers]
