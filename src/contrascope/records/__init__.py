"""What a run's folder holds: one dataclass a file, the files themselves, and the vocabulary of signals and words."""

from contrascope.records.files import BAD_IMAGES as BAD_IMAGES
from contrascope.records.files import BEST as BEST
from contrascope.records.files import CHECKPOINTS as CHECKPOINTS
from contrascope.records.files import DIAGNOSIS as DIAGNOSIS
from contrascope.records.files import ENVIRONMENT as ENVIRONMENT
from contrascope.records.files import EVALUATION as EVALUATION
from contrascope.records.files import GALLERY as GALLERY
from contrascope.records.files import GEOMETRY as GEOMETRY
from contrascope.records.files import LOCK as LOCK
from contrascope.records.files import METRICS as METRICS
from contrascope.records.files import SETTINGS as SETTINGS
from contrascope.records.files import MetricsLog as MetricsLog
from contrascope.records.files import checkpoint_folders as checkpoint_folders
from contrascope.records.files import finite as finite
from contrascope.records.files import hold as hold
from contrascope.records.files import new_checkpoint as new_checkpoint
from contrascope.records.files import read_json as read_json
from contrascope.records.files import read_metrics as read_metrics
from contrascope.records.files import remove_checkpoint as remove_checkpoint
from contrascope.records.files import write_atomic as write_atomic
from contrascope.records.files import write_json as write_json
