"""Which pages the dashboard has, in the order of its menu. Each has a template and a script of its name."""

from dataclasses import dataclass

from app.auth.administrators import Role


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        key: of `templates/pages/KEY.html` and `static/pages/KEY.js`.
        path: below `/admin`.
        group: what it stands under in the menu; pages without one stand in no menu.
        below: the key of the page that is marked in the menu, where it is another one.
        role: whom it is for: everybody who may log in, or admins only.
    """

    key: str
    path: str
    title: str
    group: str = ""
    below: str = ""
    role: Role = "viewer"

    def is_for(self, role: str) -> bool:
        """Whether somebody of that role may open it."""
        return role == "admin" or self.role == "viewer"


PAGES = (
    Page("overview", "", "Overview", "Watch"),
    Page("usage", "/usage", "Usage", "Watch"),
    Page("requests", "/requests", "Requests", "Watch"),
    Page("request", "/requests/{id}", "Request", below="requests"),
    Page("alerts", "/alerts", "Alerts", "Watch"),
    Page("playground", "/playground", "Playground", "Use"),
    Page("tokens", "/tokens", "Tokens", "Use"),
    Page("names", "/names", "Names", "Use"),
    Page("monitors", "/monitors", "Monitors", "Use"),
    Page("providers", "/providers", "Providers", "Set up"),
    Page("models", "/models", "Models", "Set up"),
    Page("ollama", "/ollama", "Local servers", "Set up"),
    Page("settings", "/settings", "Settings", "Set up"),
    Page("audit", "/audit", "Audit log", "Set up"),
    Page("logs", "/logs", "Live log", "Set up", role="admin"),
)


def menu(role: str) -> list[tuple[str, list[Page]]]:
    """The groups of the menu with the pages that are for somebody of that role."""
    groups: dict[str, list[Page]] = {}
    for page in PAGES:
        if page.group and page.is_for(role):
            groups.setdefault(page.group, []).append(page)
    return list(groups.items())
