"""PKCS#11 modules of this machine, and made-up ones."""

from __future__ import annotations

from pathlib import Path

MODULES = next(iter(Path("/usr/lib").glob("*/opensc-pkcs11.so")), Path("/usr/lib/opensc-pkcs11.so")).parent
OPENSC = f"pkcs11:?module-path={MODULES}/opensc-pkcs11.so"
