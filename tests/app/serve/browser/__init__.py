"""A package, so that its fixtures live as long as it, and Playwright's loop no longer."""
