"""The control API under /stub/api/cis2/: what a test may have CIS2 do, and what it may ask, from any language."""
