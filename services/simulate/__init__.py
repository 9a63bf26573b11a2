"""Rehearsals: the real control plane with stand-ins for the roles that need hardware, and single roles on their own.

Stand-ins live here and nowhere else; no run of `oars align` can reach them.
"""
