"""A world in one process for the whole operator: cluster, stores, time and chance, all pretended.

It is shipped, so that whoever builds upon BuildState can try it in the same way. `tests/simulation`
has the builds that are lived through in it, `docs/explanation/proof.md` says how to read it.
"""
