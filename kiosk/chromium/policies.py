"""Chromium's policies for a shared PC: nothing of one person stays for the next, nobody changes how the browser works.

Their names and values are those of chromeenterprise.google/policies. The bridge's own policies for pages and origins
(docs/applications.md) stand beside them in a file of their own; Chromium takes all files of that folder together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

NOTHING_STAYS: dict[str, Any] = {
    "AutofillAddressEnabled": False,
    "AutofillCreditCardEnabled": False,
    "BackgroundModeEnabled": False,  # no process outlives the last window
    "BrowserSignin": 0,
    "PasswordManagerEnabled": False,
    "RestoreOnStartup": 5,  # a new tab
    "SavingBrowserHistoryDisabled": True,
    "SyncDisabled": True,
    "TranslateEnabled": False,  # sends pages to a service
}
NOBODY_ELSE: dict[str, Any] = {
    "BrowserAddPersonEnabled": False,
    "BrowserGuestModeEnabled": False,
    "IncognitoModeAvailability": 1,  # never
    "ProfilePickerOnStartupAvailability": 1,  # never
}
NOTHING_CHANGES: dict[str, Any] = {
    "AllowFileSelectionDialogs": True,
    "BlockExternalExtensions": True,  # those that other packages put beside Chromium
    "CommandLineFlagSecurityWarningsEnabled": False,
    "DefaultBrowserSettingEnabled": False,
    "DeveloperToolsAvailability": 2,  # never
    "ExtensionDeveloperModeSettings": 1,  # never: no unpacked extension
    "ExtensionInstallBlocklist": ["*"],
    "MetricsReportingEnabled": False,
    "TaskManagerEndProcessEnabled": False,
    "URLBlocklist": ["file://*", "chrome://*", "view-source:*", "javascript://*"],
    "URLAllowlist": ["chrome://policy", "chrome://newtab", "chrome://new-tab-page", "chrome://print"],
}


def policies(extensions: Sequence[str]) -> dict[str, Any]:
    """Return all of them. `extensions`: those to install, and to allow, each as `ID;address of its update file`."""
    installed = {"ExtensionInstallForcelist": list(extensions)} if extensions else {}
    return NOTHING_STAYS | NOBODY_ELSE | NOTHING_CHANGES | installed


def policies_text(extensions: Sequence[str]) -> str:
    """Return the file, for /etc/chromium/policies/managed."""
    return json.dumps(policies(extensions), indent=2, sort_keys=True)
