"""An auth module of Bokeh and Panel; its log-in asks for nothing, which yours will not do."""

from tornado.web import RequestHandler

login_url = "/login"


def get_user(handler):
    return handler.get_secure_cookie("user")


class LoginHandler(RequestHandler):
    def get(self):
        self.set_secure_cookie("user", self.get_argument("user"), httponly=True, samesite="Lax")
        self.redirect("/")
