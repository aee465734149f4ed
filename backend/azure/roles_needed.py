"""Which of Azure's built-in roles grants an action: the smallest that is commonly given."""

from __future__ import annotations

_ROLES: tuple[tuple[str, str], ...] = (
    ("microsoft.authorization/roleassignments/", "Role Based Access Control Administrator"),
    ("microsoft.managedidentity/userassignedidentities/assign/", "Managed Identity Operator"),
    ("microsoft.managedidentity/", "Managed Identity Contributor"),
    ("microsoft.quota/", "Quota Request Operator"),
    ("microsoft.machinelearningservices/workspaces/computes/", "AzureML Compute Operator"),
    ("microsoft.machinelearningservices/workspaces/", "AzureML Data Scientist"),
    ("microsoft.storage/storageaccounts/blobservices/", "Storage Blob Data Contributor"),
)


def role_for(action: str) -> str:
    """`Microsoft.X/y/write` -> a role's name."""
    wanted = action.lower()
    if wanted.startswith("microsoft.machinelearningservices/workspaces/") and wanted.count("/") == 2:
        return "Reader" if wanted.endswith("/read") else "Contributor"
    if wanted.startswith("microsoft.authorization/roleassignments/") and wanted.endswith("/read"):
        return "Reader"
    for start, role in _ROLES:
        if wanted.startswith(start):
            return role
    return "Reader" if wanted.endswith("/read") else "Contributor"
