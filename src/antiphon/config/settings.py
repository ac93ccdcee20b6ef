"""The settings tree. Environment names are `ANTIPHON_` + group + `_` + field, upper case; nothing else reads the environment.

Built once in the composition root (`load_settings`) and passed in. docs/settings.md is generated from this file
(`python scripts/generate_docs.py`), and tests/docs/test_settings.py fails when a field lacks its sentence or the page is stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def setting(default: Any, sentence: str, *, unit: str = "", secret: bool = False, **constraints: Any) -> Any:
    """A field with what its documentation needs. `unit`: s, ms, bytes, ... or empty for names and switches."""
    return Field(default=default, description=sentence, json_schema_extra={"unit": unit, "secret": secret}, **constraints)


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelServer(_Group):
    base_url: str | None = setting(None, "Address of an OpenAI-compatible server, up to and with `/v1`. None: not used.")
    model: str | None = setting(None, "Name of the model there.")
    api_key: str | None = setting(None, "Key for that server; sent as a bearer token, never logged.", secret=True)


class ChatServer(ModelServer):
    connect_timeout_s: float = setting(10.0, "Longest time to connect to the model server.", unit="s", gt=0)
    idle_timeout_s: float = setting(120.0, "Longest silence of the model server, first token included.", unit="s", gt=0)
    retries: int = setting(2, "Further tries before the first token when the server is busy or away.", ge=0, le=10)
    temperature: float | None = setting(None, "Sampling temperature; None: the model's default.", ge=0)
    max_tokens: int | None = setting(None, "Longest answer; None: the model's default.", unit="tokens", gt=0)
    kind: Literal["openai", "anthropic", "transformers"] = setting(
        "openai",
        "What answers there: an OpenAI-compatible server, Anthropic's API, or a model of this process (extra `local-chat`).",
    )
    context_tokens: int | None = setting(
        None, "Context window of the model, where its server does not tell; None: nothing is trimmed then.", unit="tokens", ge=512
    )
    fallbacks: str = setting(
        "", "Models to go over to, in this order, when one fails before its first token; ids separated by commas."
    )
    titles: bool = setting(True, "Whether a model, where one answers, gives each session its title after the first answer.")
    discover: bool = setting(True, "Whether a start without a model looks for a model server on this machine, on known ports.")


class EmbedServer(ModelServer):
    mode: Literal["auto", "server", "local", "none"] = setting(
        "auto",
        "Which embedder searches by meaning: `server` (the address above), `local` (an ONNX folder on this machine), `none`; "
        "`auto`: the server when its address and model are set, else a local one when there is one.",
    )
    folder: Path | None = setting(
        None, "Folder of a local embedding model (sentence-transformers layout with `onnx/model.onnx`)."
    )
    repository: str | None = setting(
        None, "Name of a local embedding model (`owner/name`), looked for in the hub cache, or fetched from `hub_url`."
    )
    hub_cache: Path = setting(
        Path("~/.cache/huggingface/hub"),
        "Where programs keep the models they fetched; read only, looked through for a local one.",
    )
    hub_url: str | None = setting(None, "Address of a model hub that `repository` may be fetched from. None: nothing is fetched.")
    languages: str = setting("", "Languages the server's model knows, as codes separated by commas (`zh,en`). Empty: any.")
    query_prefix: str = setting("", "Text the server's model wants before a question.")
    document_prefix: str = setting("", "Text the server's model wants before a passage.")
    batch: int = setting(64, "Texts in one request to the server.", ge=1, le=2048)
    batch_characters: int = setting(60_000, "Characters in one request to the server.", unit="characters", ge=1000)
    timeout_s: float = setting(60.0, "Longest silence of the server while documents are embedded.", unit="s", gt=0)
    query_timeout_s: float = setting(2.0, "Longest wait for a question's vector; after it, words alone decide.", unit="s", gt=0)
    memory_bytes: int = setting(
        3 * 2**30, "Memory the process of a local model may use before it is started anew.", unit="bytes", ge=2**27
    )
    idle_s: float = setting(
        1800.0, "Vectors of a workspace leave memory when nobody asked for so long. 0: never.", unit="s", ge=0
    )


class RerankServer(ModelServer):
    mode: Literal["auto", "server", "local", "none"] = setting(
        "auto",
        "What orders the found passages anew: `server` (`/rerank`), `local` (a cross-encoder in `folder`), `none`; `auto`: what is set.",
    )
    folder: Path | None = setting(None, "Folder of a local cross-encoder (`tokenizer.json`, `onnx/model.onnx`).")
    candidates: int = setting(20, "Passages that are ordered anew.", ge=2, le=100)
    timeout_s: float = setting(2.0, "Longest wait for the new order; after it, the old one stays.", unit="s", gt=0)


class Limits(_Group):
    messages_per_minute: int = setting(30, "Chat messages one user may send in a minute. 0: no limit.", unit="1/min", ge=0)
    logins_per_minute: int = setting(
        10,
        "Tries to sign in with one user name in a minute, whether there is such a user or not. 0: no limit.",
        unit="1/min",
        ge=0,
    )
    connections_per_user: int = setting(20, "Open sockets of one user. 0: no limit.", ge=0)
    connections: int = setting(10_000, "Open sockets of this process. 0: no limit.", ge=0)
    subscriptions: int = setting(128, "Topics one connection may subscribe to. 0: no limit.", ge=0)
    frame_bytes: int = setting(262_144, "Largest frame a client may send.", unit="bytes", ge=1024)
    outbound_frame_bytes: int = setting(
        262_144, "Largest frame the server sends; larger things go by reference.", unit="bytes", ge=4096
    )
    pending_bytes: int = setting(
        1_048_576, "What may wait for one slow connection before it gets a snapshot instead.", unit="bytes", ge=65_536
    )
    slow_reader_s: float = setting(
        30.0, "How long a client may leave its socket unread before it is closed with 4501.", unit="s", gt=0
    )
    idle_s: float = setting(1800.0, "A socket without activity or active run is closed after this. 0: never.", unit="s", ge=0)
    upload_bytes: int = setting(200 * 2**20, "Largest uploaded file. 0: no limit.", unit="bytes", ge=0)
    message_characters: int = setting(32_000, "Longest question.", unit="characters", ge=1)


class Heartbeat(_Group):
    interval_s: float = setting(25.0, "Time between two pings on `/ws/v1`.", unit="s", gt=0)
    pong_timeout_s: float = setting(10.0, "Longest wait for a pong before the socket is closed with 4502.", unit="s", gt=0)
    hello_timeout_s: float = setting(5.0, "Longest wait for `hello` of a socket that came without credentials.", unit="s", gt=0)


class Runs(_Group):
    max: int = setting(1000, "Runs at the same time; further ones wait as `queued`. 0: no limit.", ge=0)
    replay_s: float = setting(600.0, "How long the deltas of a finished run can be replayed.", unit="s", ge=0)
    checkpoint_s: float = setting(5.0, "How often the text of a running answer is written to its record.", unit="s", gt=0)
    seed: int | None = setting(
        None, "Seed of every run whose command names none. None: each run draws one. It is recorded either way.", ge=0, lt=2**31
    )
    cache_entries: int = setting(
        500, "Outputs of nodes kept for each workspace, to be given again for equal inputs. 0: none are kept.", ge=0
    )
    cache_bytes: int = setting(16 * 2**20, "Bytes of such outputs kept for each workspace.", unit="bytes", ge=65_536)
    history_messages: int = setting(20, "Messages of the session that a model is given at most.", ge=0)


class Run(_Group):
    timeout_s: float = setting(600.0, "Longest time one run may take. 0: no limit.", unit="s", ge=0)


class Log(_Group):
    level: str = setting(
        "info", "What the server says on stderr: debug, info, warning or error.", pattern="^(?i:debug|info|warning|error)$"
    )
    batch_ms: float = setting(50.0, "The event log is written to disk in batches of this length.", unit="ms", gt=0)
    ring_entries: int = setting(8192, "Events kept in memory for each topic.", ge=16)
    ring_bytes: int = setting(2**20, "Bytes of events kept in memory for each topic.", unit="bytes", ge=65_536)
    replay_frames: int = setting(300, "A replay longer than this (after merging) becomes a snapshot.", ge=1)
    replay_bytes: int = setting(262_144, "A replay larger than this (after merging) becomes a snapshot.", unit="bytes", ge=1024)


class Ingest(_Group):
    workers: int = setting(2, "Documents parsed at the same time, each in a process of its own.", ge=1, le=64)
    memory_bytes: int = setting(2**30, "Memory one parser process may use before it is ended.", unit="bytes", ge=2**26)
    timeout_s: float = setting(300.0, "Longest time for parsing one document.", unit="s", gt=0)
    chunk_characters: int = setting(900, "Aimed length of a chunk.", unit="characters", ge=100, le=8000)
    overlap_characters: int = setting(0, "Text repeated from the chunk before.", unit="characters", ge=0, le=2000)


class Outgoing(_Group):
    allow: str = setting(
        "", "What requests of users' making may reach beyond public addresses: `purpose:host:port`, separated by commas, or a JSON "
        "list. Purposes: url, model, webhook, mcp, oidc."
    )  # fmt: skip
    timeout_s: float = setting(60.0, "Longest time for fetching one address, redirects included.", unit="s", gt=0)
    idle_s: float = setting(15.0, "Longest silence of a site.", unit="s", gt=0)
    max_bytes: int = setting(
        50 * 2**20, "Largest content fetched from an address (never more than an upload may have).", unit="bytes", ge=1024
    )
    user_agent: str = setting("Antiphon (document fetcher)", "What the server calls itself to other sites.", min_length=1)


class Crawl(_Group):
    pages: int = setting(200, "Pages that one crawl fetches at most.", ge=1, le=2000)
    max_depth: int = setting(5, "How many links a crawl may follow from its start at most.", ge=0, le=20)
    parallel: int = setting(2, "Pages of one crawl fetched at the same time.", ge=1, le=8)
    delay_s: float = setting(
        0.5, "Time between two requests to the same site; a robots.txt may ask for more.", unit="s", ge=0, le=60
    )
    retries: int = setting(1, "Further tries when a site is busy or breaks off.", ge=0, le=5)
    workers: int = setting(2, "Crawls and folder syncs that run at the same time.", ge=1, le=16)


class Watch(_Group):
    roots: str = setting(
        "",
        "Folders of this machine that owners of workspaces may watch (they and all below), separated by commas. None: no folder.",
    )
    least_interval_s: float = setting(300.0, "Shortest time between two syncs of a watch.", unit="s", gt=0)
    most_interval_s: float = setting(30 * 86_400.0, "Longest time between two syncs, back-off included.", unit="s", gt=0)
    files: int = setting(20_000, "Files of one watched folder at most.", ge=1)
    per_workspace: int = setting(100, "Watches of one workspace at most.", ge=1)


class Auth(_Group):
    login_s: float = setting(30 * 86_400.0, "How long a cookie session lasts.", unit="s", gt=0)
    ticket_s: float = setting(30.0, "How long a socket ticket is good for.", unit="s", gt=0)
    origins: str = setting("", "Further origins allowed to use cookies, separated by commas; the server's own are always.")
    allow_query_token: bool = setting(False, "Whether an API key is accepted in the query of a socket's address.")
    recheck_s: float = setting(
        2.0, "How often open sockets are checked against revoked rights (P7: at most 5 s).", unit="s", gt=0, le=5
    )


class Settings(BaseSettings):
    """The whole tree. Instances are frozen."""

    model_config = SettingsConfigDict(
        env_prefix="ANTIPHON_", env_nested_delimiter="_", env_nested_max_split=1, frozen=True, extra="ignore",
        case_sensitive=False,
    )  # fmt: skip

    host: str = setting("127.0.0.1", "Address to listen on. Anything but loopback needs accounts (no `--no-auth`).")
    port: int = setting(8000, "Port to listen on. 0: any free one.", ge=0, le=65_535)
    data_dir: Path = setting(
        None, "Folder of all data. Default: the user's data folder, or `data` under `make serve`.", validate_default=False
    )
    no_auth: bool = setting(False, "Everybody on this machine is the owner. Loopback only.")
    owner_key: str | None = setting(
        None, "Becomes the owner's API key at first start (32 or more characters).", secret=True, min_length=32
    )
    secret_key: str | None = setting(
        None,
        "Seals the keys of stored model providers (32 or more characters). None: the file `secret.key` in the data folder.",
        secret=True,
        min_length=32,
    )
    sample: bool = setting(True, "Whether the first start brings a small sample workspace.")
    failpoint: str | None = setting(None, "For tests: kills the process with SIGKILL at this named place (`name[:n]`).")
    plugins: str = setting("", "Import names of plug-ins to load besides the installed ones, separated by commas.")

    chat: ChatServer = ChatServer()
    embed: EmbedServer = EmbedServer()
    rerank: RerankServer = RerankServer()
    limits: Limits = Limits()
    heartbeat: Heartbeat = Heartbeat()
    runs: Runs = Runs()
    run: Run = Run()
    log: Log = Log()
    ingest: Ingest = Ingest()
    outgoing: Outgoing = Outgoing()
    crawl: Crawl = Crawl()
    watch: Watch = Watch()
    auth: Auth = Auth()


def load_settings(**overrides: Any) -> Settings:
    """Reads the environment once. `overrides` (from the command line; None means not given) win over it."""
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = Settings(**given)
    folder = settings.data_dir
    if folder is None:  # pyright: ignore[reportUnnecessaryComparison] - the default is filled in here
        folder = user_data_path("antiphon", appauthor=False)
    # Absolute: parsers work in folders of their own, where a relative one would lead elsewhere.
    return settings.model_copy(update={"data_dir": folder.expanduser().absolute()})
