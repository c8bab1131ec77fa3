"""Pictures of the dashboard for the documentation, from a real server in a real Chromium."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parents[1] / "docs" / "images"
COLOURS = 128  # enough for a page, and a third of the bytes
SHOTS = (
    ("plan", "?price=2.5", 1440, "light", 1150),
    ("plan-dark", "", 375, "dark", 1150),
    ("compare", "compare?gpus=h100-sxm&gpus=l40s&models=wan2.1-t2v-1.3b&models=mochi-1-preview", 1440,
     "light", 900),
    ("budget", "budget", 1440, "light", 1500),
    ("paper", "paper", 1440, "light", 1500),
    ("normal", "normal?latency_s=214&energy_wh=34", 1440, "light", 1900),
    ("normal-dark", "normal?latency_s=214", 375, "dark", 1480),
    ("measurements", "measurements?limit=10", 1440, "light", 990),
)  # fmt: skip


def take(page: Page, name: str) -> None:
    path = FOLDER / f"dashboard-{name}.png"
    page.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    command = [sys.executable, "-m", "kinowatt", "serve", "--port", "0", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = json.loads(server.stdout.readline())["url"]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, path, width, scheme, height in SHOTS:
            size = {"width": width, "height": height}
            page = browser.new_page(viewport=size, color_scheme=scheme)
            page.goto(f"{url}/{path}")
            page.wait_for_selector(".frame table", state="attached", timeout=60_000)
            page.wait_for_function("() => !document.body.innerText.includes('being audited')")
            page.wait_for_timeout(1500)
            take(page, name)
        browser.close()
    server.terminate()
    server.wait(timeout=30)


if __name__ == "__main__":
    main()
