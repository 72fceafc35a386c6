"""Which private parts of other packages does the generator use, and what were they when read?"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

RECORDED_OF = {
    "locust": "2.47.0",
    "requests": "2.34.2",
    "geventhttpclient": "2.6.1",
    "urllib3": "2.8.0",
    "gevent": "26.9.0",
}
"""The versions whose sources are recorded below."""


@dataclass(frozen=True, slots=True)
class Hook:
    """`name` is MODULE:PLACE in `package`; `used_in` is ours; `check` is what to look at there."""

    package: str
    name: str
    used_in: str
    check: str
    signature: str
    sha256: str

    def found(self) -> Any:
        module, _, place = self.name.partition(":")
        return attrgetter(place)(importlib.import_module(module))


HOOKS = (
    Hook(
        "locust",
        "locust.user.task:TaskSet.execute_task",
        "workers/engine/patches.py",
        "every kind of task still goes through it",
        "(self, task)",
        "890751420665e5f2079c40457e0d8275460ad294ccd6d82f731b07f2e4ad7068",
    ),
    Hook(
        "locust",
        "locust.user.task:DefaultTaskSet.execute_task",
        "workers/engine/patches.py",
        "it calls a plain function with the user",
        "(self, task)",
        "1373dab8ac86eb6a726d1637130e046ab8999fffcab016ff96c2f66559ee5870",
    ),
    Hook(
        "locust",
        "locust.user.task:TaskSet.wait",
        "workers/engine/patches.py",
        "it is what a user does between tasks",
        "(self)",
        "6eb57b4538d99aced4cb5caac28809e43608d0008d6c6ac7c7576d24160bdfeb",
    ),
    Hook(
        "locust",
        "locust.user.task:TaskSet._sleep",
        "workers/engine/patches.py",
        "it sleeps so that a stop ends it",
        "(self, seconds)",
        "0faef9ec5d2fced1bec6bb6b4239e0385f1f8a7a856b9bc17831b362be1865ca",
    ),
    Hook(
        "locust",
        "locust.user.task:TaskSet.run",
        "workers/engine/patches.py",
        "the choice of a task and what an exception does, which `_gated` and `_tell` repeat",
        "(self)",
        "4db8f38bcb197f27379d1ded071fc2fdf93a2394cc1eb4cd3218968b3d2aa501",
    ),
    Hook(
        "locust",
        "locust.user.task:TaskSet.get_next_task",
        "workers/engine/patches.py",
        "a task is drawn at random from `tasks`",
        "(self)",
        "7ee3764818ad760d2e68384c4edba5b47922b9151a3503e9c146eb2ad07f3996",
    ),
    Hook(
        "locust",
        "locust.user.users:User.__init__",
        "workers/engine/users.py",
        "`_state`, `_taskset_instance` and `_greenlet` are what `_let_go` cuts",
        "(self, environment) -> 'None'",
        "2a3353c9f24b63c9d0474de825d00418181ee471aab9ebe3d3a000455f46be0f",
    ),
    Hook(
        "locust",
        "locust.user.users:User.start",
        "workers/engine/users.py",
        "it spawns into the group and keeps `_greenlet`",
        "(self, group: 'Group')",
        "11d099324dfed558aa953082e06fda356983e40340cf177f7121b96f9c4b6882",
    ),
    Hook(
        "locust",
        "locust.user.users:User.run",
        "workers/engine/users.py",
        "on_start and on_stop are called as `_note_start` expects",
        "(self)",
        "3dab5944c5686284dceb564eda4aecda6d6a64b5d380a25db6dd3cc3f698f031",
    ),
    Hook(
        "locust",
        "locust.user.users:User.stop",
        "workers/engine/users.py",
        "`_state` tells a user that it is being stopped",
        "(self, force: 'bool' = False)",
        "96dfa1ff9c7844b4a4333397ba84e9fe0db92cec8ebc0573fefc71d2b9f68001",
    ),
    Hook(
        "locust",
        "locust.event:EventHook",
        "workers/engine/__init__.py",
        "`_handlers` is the list of listeners",
        "",
        "dfa0e5cf62ecea6bfc16b2e928e8891da073526c51dfa589bebd29fc6e5610da",
    ),
    Hook(
        "locust",
        "locust.env:Environment._filter_tasks_by_tags",
        "workers/engine/__init__.py",
        "it takes no arguments and filters `user_classes`",
        "(self) -> 'None'",
        "f6b7deba90ec524236bffe09c76554ac6b558410148109c2f1de426117c7fc74",
    ),
    Hook(
        "locust",
        "locust.contrib.fasthttp:FastHttpSession.__init__",
        "workers/clients/stock.py",
        "where the pool of connections is made",
        "(self, base_url: 'str | None', request_event, user: 'User | None', insecure=True, client_pool: 'HTTPClientPool | None' = None, ssl_context_factory: 'Callable | None' = None, **kwargs) -> 'None'",
        "7d6fb1e075e8f67aa390d5d0f6d621a4bb0243540de4d15c6aefa861a6761f87",
    ),
    Hook(
        "locust",
        "locust.contrib.fasthttp:FastHttpSession.iter_lines",
        "workers/clients/traps.py",
        "`_iter_lines` takes its place",
        "(self, url: 'str', method: 'str' = 'GET', **kwargs) -> 'Generator[str]'",
        "daffb172927901bd942e2324d6d7e61582e29eb2c55033ec466d71f13db0f867",
    ),
    Hook(
        "locust",
        "locust.contrib.fasthttp:FastHttpSession.request",
        "workers/clients/traps.py",
        "the place of `allow_redirects`, `_REDIRECTS_AT`",
        "(self, method: 'str', url: 'str', name: 'str | None' = None, data: 'str | dict | None' = None, catch_response: 'bool' = False, stream: 'bool' = False, headers: 'dict | None' = None, auth: 'tuple[str | bytes, str | bytes] | None' = None, json: 'Any' = None, allow_redirects: 'bool' = True, context: 'dict' = {}, **kwargs) -> 'ResponseContextManager'",
        "1d81cbebfe920475f7d59f61b342f01680400a94ca0fd18ed762e0d83db7a2a8",
    ),
    Hook(
        "locust",
        "locust.contrib.fasthttp:LocustUserAgent.__init__",
        "workers/clients/traps.py",
        "the jar comes as `cookiejar`",
        "(self, client_pool: 'HTTPClientPool | None' = None, **kwargs)",
        "2466faa130b75332266758a3ee23ef1f6c71264fa2602f5dc5ade5ea888e4621",
    ),
    Hook(
        "locust",
        "locust.contrib.fasthttp:LocustUserAgent.urlopen",
        "workers/clients/traps.py",
        "it passes `max_redirects` on",
        "(self, url: str | geventhttpclient.url.URL, method: str = 'GET', headers: geventhttpclient.header.Headers | collections.abc.Mapping[str, str | list[str]] | None = None, payload: Union[str, bytes, bytearray, memoryview, collections.abc.MutableMapping[str, Any], IO[bytes], collections.abc.Iterable[bytes], NoneType] = None, to_string: bool = False, debug_stream: Optional[IO[str]] = None, params: collections.abc.Mapping[str, typing.Any] | collections.abc.Iterable[tuple[str, typing.Any]] | str | bytes | None = None, max_retries: int | None = None, max_redirects: int | None = None, files: collections.abc.Mapping[str, typing.Any] | collections.abc.Iterable[tuple[str, typing.Any]] | None = None, **kw: Any) -> geventhttpclient.useragent.CompatResponse | bytes",
        "43a4f062aac6be532387dc1d76d4f7906e4a3d1204e1531c5ee8ebe97d2677bc",
    ),
    Hook(
        "locust",
        "locust.contrib.fasthttp:LocustUserAgent._urlopen",
        "workers/clients/traps.py",
        "it is called once for each send",
        "(self, request)",
        "882b9c73b2565bb765cd469f9d0c5215aea3776d305f169ff42a7011e50ef934",
    ),
    Hook(
        "locust",
        "locust.clients:HttpSession.__init__",
        "workers/clients/stock.py",
        "adapters are mounted in it",
        "(self, base_url, request_event, user, *args, pool_manager: 'PoolManager | None' = None, **kwargs)",
        "a93ca4e2406ef409becc9abd0a8ce1e953b6b2a257c086ec40205dc4d0a3b190",
    ),
    Hook(
        "locust",
        "locust.clients:HttpSession.request",
        "workers/clients/traps.py",
        "`allow_redirects` reaches `_send_request_safe_mode`",
        "(self, method: 'str | bytes', url: 'str | bytes', name: 'str | None' = None, catch_response: 'bool' = False, context: 'dict' = {}, *, data: 'Any' = None, json: 'Any' = None, **kwargs: 'Unpack[RequestKwargs]') -> 'ResponseContextManager'",
        "32c96e42d215e70a8d62b7cb1a491cb1f589ce95b04cc54aeb061b2ec429c4a6",
    ),
    Hook(
        "locust",
        "locust.clients:HttpSession.get",
        "workers/clients/traps.py",
        "it only sets `allow_redirects`",
        "(self, url: 'str | bytes', *, data: 'Any' = None, json: 'Any' = None, **kwargs: 'Unpack[RESTKwargs]') -> 'ResponseContextManager'",
        "ae0e637e1888d5768a8bcb581a4fc730538b65fda2752c4e1d79b0d260ecc0ce",
    ),
    Hook(
        "locust",
        "locust.clients:HttpSession.options",
        "workers/clients/traps.py",
        "it only sets `allow_redirects`",
        "(self, url: 'str | bytes', *, data: 'Any' = None, json: 'Any' = None, **kwargs: 'Unpack[RESTKwargs]') -> 'ResponseContextManager'",
        "80d07d8323e29114f02441d5f56526953103120ca6942f45571f22d5aa3debea",
    ),
    Hook(
        "locust",
        "locust.clients:HttpSession._send_request_safe_mode",
        "workers/clients/traps.py",
        "`response.error` makes the request a failed one",
        "(self, method, url, **kwargs) -> 'Response'",
        "ea7ffdbd64efb997a49379d8ede99d0b6adcfafe820a552405a02efc84fcc8a9",
    ),
    Hook(
        "requests",
        "requests.sessions:SessionRedirectMixin.resolve_redirects",
        "workers/clients/traps.py",
        "it yields once for each further send",
        "(self, resp: 'Response', req: 'PreparedRequest', stream: 'bool' = False, timeout: '_t.TimeoutType' = None, verify: '_t.VerifyType' = True, cert: '_t.CertType' = None, proxies: 'dict[str, str] | None' = None, yield_requests: 'bool' = False, **adapter_kwargs: 'Any') -> 'Generator[Response, None, None]'",
        "b75b8fd17b00b1bb9ee44b1c0aefe5dc31b7e9db350a2ec8fbc6195b6798a760",
    ),
    Hook(
        "geventhttpclient",
        "geventhttpclient.connectionpool:ConnectionPool._is_socket_alive",
        "workers/clients/traps.py",
        "it decides on an idle connection",
        "(self, sock: gevent._socket3.socket | None) -> bool",
        "660d10437b5a866012c32d77127f28aa46b97d50e909b96423377054469e5c6c",
    ),
    Hook(
        "geventhttpclient",
        "geventhttpclient.connectionpool:ConnectionPool._create_tcp_socket",
        "workers/clients/traps.py",
        "every socket is made by it",
        "(self, family: int, socktype: int, protocol: int) -> gevent._socket3.socket",
        "c4e60dcb3d7743f9db3a98a4b87c6f532cbe5e9201e6350705706280a06ce9dc",
    ),
    Hook(
        "geventhttpclient",
        "geventhttpclient.connectionpool:ConnectionPool.return_socket",
        "workers/clients/stock.py",
        "a connection that may be used again comes back by it",
        "(self, sock: gevent._socket3.socket) -> None",
        "8bd58830a0b81720d2b5287beb3098a1559f1e05431da6546123d4bac8f27083",
    ),
    Hook(
        "geventhttpclient",
        "geventhttpclient.connectionpool:ConnectionPool.get_socket",
        "workers/clients/stock.py",
        "it asks `_is_socket_alive` before it hands one out",
        "(self) -> gevent._socket3.socket",
        "eca698c4b5f3550871f18438c375563a7f15bf3195b3debf536bc121fc706fd6",
    ),
    Hook(
        "geventhttpclient",
        "geventhttpclient.client:_may_retry_after_send_error",
        "workers/clients/traps.py",
        "nothing else sends a request again",
        "(method: str) -> bool",
        "f9ae1d9944a901abc399c4c71307dbf76189652cb172e815f8415f727daf0966",
    ),
    Hook(
        "geventhttpclient",
        "geventhttpclient.client:HTTPClient._wait_for_continue_response",
        "workers/clients/traps.py",
        "HTTPConnectionClosed leads to a second send",
        "(self, sock: gevent._socket3.socket, method: str) -> tuple[bytes | None, bytes | None]",
        "867056448f6bbe3239c13babd129fdbc2c2e8a9a2e6a77f7a4d7e7243398983f",
    ),
    Hook(
        "geventhttpclient",
        "geventhttpclient.client:HTTPClient.__init__",
        "workers/clients/traps.py",
        "`_connection_pool` is the pool",
        "(self, host: str, port: int | None = None, headers: geventhttpclient.header.Headers | collections.abc.Mapping[str, str | list[str]] | None = None, block_size: int = 4096, connection_timeout: float = 5.0, network_timeout: float = 5.0, disable_ipv6: bool = False, concurrency: int = 1, ssl: bool = False, ssl_options: dict[str, typing.Any] | None = None, ssl_context_factory: collections.abc.Callable[..., gevent.ssl.SSLContext] | None = None, insecure: bool = False, proxy_host: str | None = None, proxy_port: int | None = None, proxy_user: str | None = None, proxy_password: str | None = None, version: str = 'HTTP/1.1', headers_type: type[geventhttpclient.header.Headers] = <class 'geventhttpclient.header.Headers'>) -> None",
        "141dff10482a090669fd5becd2ebb7f7e352c4e92924948bb0bcbb46400c8fe0",
    ),
    Hook(
        "geventhttpclient",
        "geventhttpclient.client:HTTPClient.request",
        "workers/clients/traps.py",
        "where it sends again",
        "(self, method: str, request_uri: str, body: Union[str, bytes, bytearray, memoryview, IO[bytes], collections.abc.Iterable[bytes], NoneType] = b'', headers: geventhttpclient.header.Headers | collections.abc.Mapping[str, str | list[str]] | None = None) -> geventhttpclient.response.HTTPSocketPoolResponse",
        "c63c0b6998672e8c25ee6beeed614ab1c1ef01543adfae0587d992010eaed39a",
    ),
    Hook(
        "geventhttpclient",
        "geventhttpclient.useragent:CompatRequest.set_url",
        "workers/clients/traps.py",
        "what of a request it sets",
        "(self, url: str | geventhttpclient.url.URL, params: collections.abc.Mapping[str, typing.Any] | collections.abc.Iterable[tuple[str, typing.Any]] | str | bytes | None = None) -> None",
        "b89a7b12ec34c47400d3b55e659d8f077b76ea5ee06f8ddb025d9992871d933c",
    ),
    Hook(
        "geventhttpclient",
        "geventhttpclient.url:URL",
        "workers/clients/quick.py",
        "`_kept` names properties that never change",
        "",
        "1b4fc93c4500be4c3c8cd3d39a669db270945bc6124e02f80dcc4b6b6f2575c1",
    ),
    Hook(
        "urllib3",
        "urllib3.connectionpool:HTTPConnectionPool._make_request",
        "workers/clients/traps.py",
        "`retries.history` tells of a further send",
        "(self, conn: 'BaseHTTPConnection', method: 'str', url: 'str', body: '_TYPE_BODY | None' = None, headers: 'typing.Mapping[str, str] | None' = None, retries: 'Retry | None' = None, timeout: '_TYPE_TIMEOUT' = <_TYPE_DEFAULT.token: -1>, chunked: 'bool' = False, response_conn: 'BaseHTTPConnection | None' = None, preload_content: 'bool' = True, decode_content: 'bool' = True, enforce_content_length: 'bool' = True) -> 'BaseHTTPResponse'",
        "34d8501e40be381bc0af82dfe269d36d52cb31e66da1a28acbe206bb961be7c0",
    ),
    Hook(
        "urllib3",
        "urllib3.connectionpool:HTTPConnectionPool._put_conn",
        "workers/clients/stock.py",
        "a connection comes back by it",
        "(self, conn: 'BaseHTTPConnection | None') -> 'None'",
        "f4b8abb8b95650c758e0d7487baa531bc6917f15bd9cb5dc2e42385726cb24be",
    ),
    Hook(
        "urllib3",
        "urllib3.connectionpool:HTTPConnectionPool._get_conn",
        "workers/clients/stock.py",
        "a connection is handed out by it",
        "(self, timeout: 'float | None' = None) -> 'BaseHTTPConnection'",
        "78fb22fdf2f90a26a72781f5982ed05fce42ed5d256145429e5900602bb3f43f",
    ),
    Hook(
        "gevent",
        "gevent._socket3:socket.__init__",
        "workers/clients/quick.py",
        "`_sock` never waits; `_read_event` is a watcher",
        "(self, family=-1, type=-1, proto=-1, fileno=None)",
        "187a3fe6b61a8376a7f5a1ed87f6c3bc8ce049d7a5b2bf1b9cf053e542fbc7c6",
    ),
    Hook(
        "gevent",
        "gevent._socketcommon:SocketMixin.recv",
        "workers/clients/quick.py",
        "it tries before it waits",
        "(self, *args)",
        "1831beb4b195ebc21b1b4eefbb6fd7962b259be2980bd23fda75ebb127b236d1",
    ),
    Hook(
        "gevent",
        "gevent._socketcommon:SocketMixin.sendall",
        "workers/clients/quick.py",
        "what it does beyond sending what fits",
        "(self, data, flags=0)",
        "bc9f669e06a55d3c7121c0f8e8ee5e295a4d9a91c1a64ef2dd84611075d5ce48",
    ),
    Hook(
        "gevent",
        "gevent.pool:Group.kill",
        "workers/engine/users.py",
        "it ends every user within `timeout`",
        "(self, exception=<class 'greenlet.GreenletExit'>, block=True, timeout=None)",
        "f36bd09917985d079e0286225695014e98666479cf6d75a94f1d8b02bccc3551",
    ),
)
