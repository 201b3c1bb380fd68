"""The sabotages of what people operate a sidecar by: its configuration, log, metrics, doctor."""

from sabotage_entry import PACKAGE, UNIT, Sabotage

_CONFIG = f"{UNIT}/control/test_config_sources.py"
_LINES = f"{UNIT}/runtime/test_log_lines.py"
_METRICS = "tests/integration/test_metrics.py"

SABOTAGES_OF_OPERATION = (
    Sabotage(
        "what the environment says of live settings is lost at the start",
        f"{PACKAGE}/control/config_sources.py",
        "fallback=self._chosen(Rank.ENVIRONMENT, Rank.FILE)",
        "fallback=self._chosen()",
        (_CONFIG,),
    ),
    Sabotage(
        "what stands in the config file is lost at the start",
        f"{PACKAGE}/runtime/current_settings.py",
        "chosen = self._given.over(self._stored).over(self._fallback)",
        "chosen = self._given.over(self._stored)",
        ("tests/integration/test_live_settings.py",),
    ),
    Sabotage(
        "an unknown key of the configuration is passed over",
        f"{PACKAGE}/control/config_sources.py",
        "if unknown := sorted(content.keys() - KEY_BY_NAME.keys()):",
        "if unknown := sorted(content.keys() - content.keys()):",
        (_CONFIG,),
    ),
    Sabotage(
        "a config file may be of any size",
        f"{PACKAGE}/control/config_sources.py",
        "if len(data) > MAX_CONFIG_BYTES:",
        "if False:",
        (_CONFIG,),
    ),
    Sabotage(
        "what strangers are called commands the terminal of who reads the log",
        f"{PACKAGE}/runtime/log_lines.py",
        "return plain(str(value))",
        "return str(value)",
        (_LINES,),
    ),
    Sabotage(
        "a log file grows for ever",
        f"{PACKAGE}/runtime/log_file.py",
        "maxBytes=MAX_LOG_FILE_BYTES",
        "maxBytes=0",
        (f"{UNIT}/runtime/test_log_file.py",),
    ),
    Sabotage(
        "an answer is logged with what its task was about before",
        f"{PACKAGE}/runtime/peer_server.py",
        "log_only_about(peer=connection.peer_id)",
        "structlog.contextvars.bind_contextvars(peer=connection.peer_id)",
        ("tests/integration/test_log_subjects.py",),
    ),
    Sabotage(
        "a page in a browser reads the metrics under a name of its own",
        f"{PACKAGE}/control/metrics_server.py",
        "if hosts[0] not in self.hosts:",
        "if False:",
        (_METRICS,),
    ),
    Sabotage(
        "metrics are served to other machines",
        f"{PACKAGE}/control/metrics_server.py",
        "if not is_loopback or not is_port",
        "if not is_port",
        (_METRICS,),
    ),
    Sabotage(
        "any number of callers hold connections for metrics",
        f"{PACKAGE}/control/metrics_server.py",
        "if self._open >= MAX_METRICS_CONNECTIONS:",
        "if False:",
        (_METRICS,),
    ),
    Sabotage(
        "the doctor takes a VPN that wins for the LAN",
        f"{PACKAGE}/control/doctor/interfaces.py",
        "if not real or (winner is not None and winner.is_virtual):",
        "if not real:",
        (f"{UNIT}/control/test_doctor.py",),
    ),
)
