"""Where everything lies on disk: one object decides every path below $CLF_HOME."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from recipes.errors import HomeError


@dataclass(frozen=True)
class Home:
    """$CLF_HOME: the database, the person's own recipes, data sets and run directories."""

    root: Path

    @classmethod
    def find(cls, override: Path | None = None) -> Home:
        """`override` (``--home``), else ``$CLF_HOME``, else the platform's user-data directory."""
        if override is not None:
            return cls(override.expanduser().absolute())
        if environment := os.environ.get("CLF_HOME"):
            return cls(Path(environment).expanduser().absolute())
        import platformdirs

        return cls(Path(platformdirs.user_data_dir("clf", appauthor=False)))

    @property
    def database(self) -> Path:
        return self.root / "clf.db"

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def recipes(self) -> Path:
        return self.root / "recipes"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def workers(self) -> Path:
        """Lock files and logs of the workers."""
        return self.root / "workers"

    def run_dir(self, job_id: int, name: str) -> Path:
        """``runs/0012-two_stage``; characters a file system may refuse become ``_``."""
        return self.runs / f"{job_id:04d}-{re.sub(r'[^A-Za-z0-9._-]+', '_', name)[:60]}"

    def create(self) -> Home:
        """Make the folders; raises HomeError when $CLF_HOME cannot be written."""
        try:
            for folder in (self.root, self.recipes, self.datasets, self.runs, self.workers):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(
                f"cannot write to {self.root}: {error.strerror}",
                "choose another folder with --home DIR or CLF_HOME",
            ) from error
        if not os.access(self.root, os.W_OK):
            raise HomeError(
                f"cannot write to {self.root}: permission denied",
                "choose another folder with --home DIR or CLF_HOME",
            )
        return self
