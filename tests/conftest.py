"""How long the tests look for surprises: `HYPOTHESIS_PROFILE=deep` looks longer.

`fast` tells of a failure as it is found, where making it smaller takes minutes.
"""

import os

from hypothesis import HealthCheck, Phase, settings

# On a machine that is busy everything is slow now and then.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("house", _PATIENT, max_examples=60)
settings.register_profile("deep", _PATIENT, max_examples=3000)
settings.register_profile(
    "fast", _PATIENT, max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))
