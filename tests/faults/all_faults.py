"""Imports all faults, so that the table (registry.FAULTS) is whole."""
import faults_backend  # noqa: F401
import faults_certificates  # noqa: F401
import faults_clocks  # noqa: F401
import faults_credentials  # noqa: F401
import faults_dead_holder  # noqa: F401
import faults_ends  # noqa: F401
import faults_fencing  # noqa: F401
import faults_lease  # noqa: F401
import faults_network  # noqa: F401
import faults_pauses  # noqa: F401
import faults_server  # noqa: F401
import faults_standby
import faults_two_servers  # noqa: F401
import faults_watch  # noqa: F401
import faults_yield  # noqa: F401
from registry import FAULTS

NAMES_OF = faults_standby.stage_names
__all__ = ["FAULTS", "NAMES_OF"]
