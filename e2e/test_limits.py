"""A namespace that is labelled for a quota, with the rights that the chart gives."""

from stories import Namespace, build, phase_is, work

MARK = "buildstate.dev/quota"


def test_a_labelled_namespace_is_limited_as_it_asks_until_the_label_goes(
    namespace: Namespace,
) -> None:
    namespace.kubectl("annotate", "namespace", namespace.name, f'{MARK}={{"pods": 1}}')
    namespace.kubectl("label", "namespace", namespace.name, f"{MARK}=managed")
    namespace.kubectl("wait", "--for=create", "quota/buildstate", "--timeout=30s")
    counted = "--for=jsonpath={.status.used.pods}=0"
    namespace.kubectl("wait", counted, "quota/buildstate", "--timeout=30s")

    names = ("first", "second", "third")
    for name in names:
        namespace.apply(build(name, phases={"build": work("true"), "test": work("true")}))

    for name in names:
        assert "Succeeded" == namespace.wait(name, phase_is("COMPLETE", "ERROR"))["status"]
    namespace.kubectl("patch", "quota", "buildstate", "-p", '{"spec":{"hard":{"pods":"9"}}}')
    restored = "--for=jsonpath={.spec.hard.pods}=1"
    namespace.kubectl("wait", restored, "quota/buildstate", "--timeout=30s")
    namespace.kubectl("label", "namespace", namespace.name, f"{MARK}-")
    namespace.kubectl("wait", "--for=delete", "quota/buildstate", "--timeout=30s")
