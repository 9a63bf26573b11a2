"""Errors that are the user's to mend: each becomes one line on stderr and exit code 2, never a traceback.

By name, because importing their modules would load torch, vLLM and Ray to print a line.
"""

BAD_INPUT = 2

_USER_ERRORS = frozenset(
    {
        "BadBenchmark",
        "BadCheckpoint",
        "BadConfig",
        "BadDataset",
        "BadEnhancer",
        "BadImage",
        "BadJudge",
        "BadRun",
        "BadSample",
        "BadSetting",
        "MissingMetricFile",
        "MissingModel",
        "MissingNetwork",
        "MissingWeights",
        "NoCluster",
        "NoCompass",
        "NoExamples",
        "NoExplainer",
        "NoPhotos",
        "PhotoTooSmall",
    }
)


def one_line(error: BaseException) -> str | None:
    """The error as one line if it, or the first error inside a group, is the user's to mend; None otherwise."""
    error = innermost(error)
    if not any(kind.__name__ in _USER_ERRORS for kind in type(error).__mro__):
        return None
    return " ".join(str(error).split())


def innermost(error: BaseException) -> BaseException:
    """The first error inside nested exception groups: the one that ended the others."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
