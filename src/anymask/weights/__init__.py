"""Model weights: what exists, under which licences, and verified files of it on this machine.

```python
from anymask import weights

files = weights.ensure("mobile-sam", allow=("apache-2.0", "mit"))
files["encoder.onnx"]  # a path whose bytes have the catalogue's sha256
```
"""

from anymask.weights.cache import fetched_files, remove_fetched_files
from anymask.weights.catalogue import all_models, default_model, family_embedding_bytes, find_model, unpinned_models
from anymask.weights.download import ensure
from anymask.weights.facts import ModelFacts, model_facts
from anymask.weights.inventory import FileState, inspect_files, is_here, pull_to, remove
from anymask.weights.licences import licence_line, require_allowed
from anymask.weights.locations import cache_root, models_cache
from anymask.weights.model_entry import ModelEntry, Source, WeightFile
from anymask.weights.other_caches import FoundFile, Search, known_folders, link_found_files
from anymask.weights.progress import Progress
from anymask.weights.unverified import UnpinnedModel
from anymask.weights.user_models import add_model
from anymask.weights.verification import require_unchanged, sha256_of

__all__ = [
    "FileState",
    "FoundFile",
    "ModelEntry",
    "ModelFacts",
    "Progress",
    "Search",
    "Source",
    "UnpinnedModel",
    "WeightFile",
    "add_model",
    "all_models",
    "cache_root",
    "default_model",
    "ensure",
    "family_embedding_bytes",
    "fetched_files",
    "find_model",
    "inspect_files",
    "is_here",
    "known_folders",
    "licence_line",
    "link_found_files",
    "model_facts",
    "models_cache",
    "pull_to",
    "remove",
    "remove_fetched_files",
    "require_allowed",
    "require_unchanged",
    "sha256_of",
    "unpinned_models",
]
