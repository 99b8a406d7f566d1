"""The routes of the demo's authorization server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import tornado.web
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from tornado.httputil import url_concat

from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from aiconfig_plugin.demo.grants import Request, Response
from aiconfig_plugin.demo.login_page import STYLE, TEMPLATES
from aiconfig_plugin.demo.tokens import SCOPES
from aiconfig_plugin.errors import InvalidDPoPProof


class WrongProof(OAuth2Error):  # type: ignore[misc]
    """RFC 9449 section 5."""

    error = "invalid_dpop_proof"


class BaseHandler(tornado.web.RequestHandler):
    """What all routes share: the server, and one way to turn a request and a reply around."""

    def initialize(self, server: AuthorizationServer) -> None:
        self.server = server

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")

    def oauth_request(self, raw: Mapping[str, Sequence[bytes]]) -> Request:
        """Raises 400 for a parameter that is not UTF-8; one without a value counts as absent."""
        parameters = {
            name: [self.decode_argument(value, name) for value in values]
            for name, values in raw.items()
        }
        return Request(self.request.method or "", self.request.headers, parameters)

    def reply(self, response: Response) -> None:
        self.set_status(response.status)
        for name, value in response.headers:
            self.set_header(name, value)
        self.finish(response.body)


class EndpointHandler(BaseHandler):
    """A POST from a client and not from a form in a browser. Listed origins may call it."""

    def check_xsrf_cookie(self) -> None:
        """No cookie counts here, so there is nothing to forge."""

    def prepare(self) -> None:
        origin = self.request.headers.get("Origin")
        self.set_header("Vary", "Origin")
        if origin in self.server.origins:
            self.set_header("Access-Control-Allow-Origin", origin)

    def options(self) -> None:
        self.set_header("Access-Control-Allow-Methods", "GET, POST")
        self.set_header("Access-Control-Allow-Headers", "Content-Type, DPoP")
        self.set_header("Access-Control-Max-Age", "600")
        self.set_status(204)

    def post(self) -> None:
        request = self.oauth_request(self.request.body_arguments)
        if any(len(values) > 1 for values in request.payload.datalist.values()):
            error = InvalidRequestError("A parameter was sent more than once.")
            self.reply(self.server.core.handle_error_response(request, error))
        else:
            self.reply(self.respond(request))

    def respond(self, request: Request) -> Response:
        raise tornado.web.HTTPError(405)


class MetadataHandler(EndpointHandler):
    def get(self) -> None:
        self.finish(self.server.metadata())


class JWKSetHandler(EndpointHandler):
    def get(self) -> None:
        self.finish(self.server.jwk_set())


class TokenHandler(EndpointHandler):
    def respond(self, request: Request) -> Response:
        proofs = self.request.headers.get_list("DPoP")
        response: Response
        try:
            request.jkt = self.server.proved_key(proofs) if proofs else None
        except InvalidDPoPProof as err:
            response = self.server.core.handle_error_response(request, WrongProof(err.detail))
            return response
        response = self.server.core.create_token_response(request)
        return response


class RevokeHandler(EndpointHandler):
    def respond(self, request: Request) -> Response:
        response: Response = self.server.core.create_endpoint_response("revocation", request)
        return response


class IntrospectHandler(EndpointHandler):
    def prepare(self) -> None:
        """For resource servers alone: no page may call it."""

    def respond(self, request: Request) -> Response:
        response: Response = self.server.core.create_endpoint_response("introspection", request)
        return response


class AuthorizeHandler(BaseHandler):
    """Every authorization asks for the password: the server keeps no session to be misused."""

    def get(self) -> None:
        request = self.oauth_request(self.request.query_arguments)
        if self._grant(request):
            self._show(request)

    def post(self) -> None:
        request = self.oauth_request(self.request.query_arguments)
        grant = self._grant(request)
        if grant is None:
            return
        username = self.get_body_argument("username", "")
        user = None
        if self.get_body_argument("decision", "") != "deny":
            password = self.get_body_argument("password", "", strip=False)
            if not self.server.login(username, password):
                self.set_status(403)
                self._show(request, username, "The user name or the password is wrong.")
                return
            user = username
        self._redirect(
            self.server.core.create_authorization_response(request, grant_user=user, grant=grant)
        )

    def _grant(self, request: Request) -> Any:
        """Return the grant of a good request; answer any other one and return None.

        The answer is a redirect only to a redirect URI that the client has registered.
        """
        try:
            return self.server.core.get_consent_grant(request)
        except OAuth2Error as error:
            if error.redirect_uri:
                self._redirect(self.server.core.handle_error_response(request, error))
            else:
                self._refuse(error.get_error_description() or error.error)
        except ValueError:
            # Authlib builds error descriptions from parameters, and refuses its own then.
            self._refuse("A parameter holds characters that are not allowed.")
        return None

    def _show(self, request: Request, username: str = "", message: str = "") -> None:
        parameters = request.payload.data
        target = urlsplit(parameters["redirect_uri"])
        scope = (request.scope or "").split()
        # Browsers hold the redirect that answers the form against form-action, too.
        self._protect(f"'self' {target.scheme}://{target.netloc}")
        self.render(
            "login.html",
            title="Log in",
            client_id=parameters["client_id"],
            reads=SCOPES[0] in scope,
            writes=SCOPES[1] in scope,
            message=message,
            username=username,
            users=self.server.users.items(),
            action=f"/authorize?{self.request.query}",
        )

    def _refuse(self, message: str) -> None:
        self._protect("'none'")
        self.set_status(400)
        self.render("error.html", title="This log-in cannot go on", message=message)

    def _protect(self, form_action: str) -> None:
        self.set_header(
            "Content-Security-Policy",
            f"default-src 'none'; style-src 'self'; form-action {form_action}; "
            "base-uri 'none'; frame-ancestors 'none'",
        )

    def _redirect(self, response: Response) -> None:
        location = dict(response.headers)["Location"]
        # RFC 9207: the client can tell which server answered, also when the answer is an error.
        self.redirect(url_concat(location, {"iss": self.server.issuer}), status=303)


class StyleHandler(tornado.web.RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/css; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(STYLE)


def application(server: AuthorizationServer) -> tornado.web.Application:
    """Return the server as a Tornado application, to listen where its issuer says."""
    given = {"server": server}
    return tornado.web.Application(
        [
            ("/.well-known/oauth-authorization-server", MetadataHandler, given),
            ("/authorize", AuthorizeHandler, given),
            ("/login.css", StyleHandler),
            ("/token", TokenHandler, given),
            ("/jwks", JWKSetHandler, given),
            ("/introspect", IntrospectHandler, given),
            ("/revoke", RevokeHandler, given),
        ],
        template_loader=TEMPLATES,
        xsrf_cookies=True,
        # Cookies do not tell ports apart, and the gateway beside us may use "_xsrf".
        xsrf_cookie_name="authorize_xsrf",
        xsrf_cookie_kwargs={
            "httponly": True,
            "samesite": "Lax",
            "path": "/authorize",
            "secure": server.issuer.startswith("https:"),
        },
    )
