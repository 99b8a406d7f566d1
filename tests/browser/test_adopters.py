"""The modules in the projects of adopters: TypeScript, esbuild and Vite."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.helpers import FIXTURES
from tests.browser.node import WEB, install, run
from tests.support.processes import need

COMPARE = """
import * as actual from "./actual/ai-config.js";
import * as declared from "./web/ai-config.js";

type Exact<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
type Members<T> = { [K in keyof T]: T[K] };
export const same: Exact<keyof typeof actual, keyof typeof declared> = true;
export const client: Exact<Members<actual.AIConfigClient>, Members<declared.AIConfigClient>> = true;
export const error: Exact<Members<actual.AIConfigError>, Members<declared.AIConfigError>> = true;
type Own<T> = Pick<T, keyof T & ("dirty" | "load" | "save")>;
type Client<T> = T extends { client: infer C } ? Members<NonNullable<C>> : never;
export const elementClient: Exact<
  Client<actual.AIConfigSettings>, Client<declared.AIConfigSettings>
> = true;
export const element: Exact<Own<actual.AIConfigSettings>, Own<declared.AIConfigSettings>> = true;
type Seal<T> = T extends { sealApiKey: infer S } ? S : never;
export const seal: Exact<Seal<typeof actual>, Seal<typeof declared>> = true;
type Options<T extends new (given: any) => any> = ConstructorParameters<T>;
export const clientOptions: Exact<
  Options<typeof actual.AIConfigClient>, Options<typeof declared.AIConfigClient>
> = true;
export const errorOptions: Exact<
  Options<typeof actual.AIConfigError>, Options<typeof declared.AIConfigError>
> = true;
"""


PAGE = """<ai-config-settings></ai-config-settings>
<script type="module" src="/assets/main.js"></script>"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(WEB, tmp_path / "web")
    shutil.copy(FIXTURES / "adopter.ts", tmp_path)
    return tmp_path


def compile_types(project: Path, *arguments: str) -> None:
    compiler = install(project, "typescript@5.9.3") / "bin" / "tsc"
    library = ["--target", "es2022", "--module", "esnext", "--lib", "es2022,dom,dom.iterable"]
    options = ["--noEmit", "--strict", "--moduleResolution", "bundler", *library]
    run(need("node"), compiler, *options, *arguments, cwd=project)


def test_the_types_are_those_of_strict_typescript(project: Path) -> None:
    compile_types(project, "--noUnusedLocals", "adopter.ts")


def test_the_declared_types_are_those_of_the_modules(project: Path) -> None:
    shutil.copytree(WEB, project / "actual", ignore=shutil.ignore_patterns("ai-config.d.ts"))
    (project / "compare.ts").write_text(COMPARE, encoding="utf-8")
    compile_types(project, "--allowJs", "--checkJs", "--skipLibCheck", "compare.ts")


def bundle_esbuild(project: Path) -> Path:
    program = install(project, "esbuild@0.25.0") / "bin" / "esbuild"
    options = ("--bundle", "--format=esm", "--minify", "--outfile=dist/main.js")
    run(need("node"), program, "adopter.ts", *options, cwd=project)
    # esbuild leaves "new URL(…, import.meta.url)" alone.
    for style in WEB.glob("*.css"):
        shutil.copy(style, project / "dist")
    return project / "dist"


def bundle_vite(project: Path) -> Path:
    program = install(project, "vite@6.3.5") / "bin" / "vite.js"
    (project / "index.html").write_text(
        '<script type="module" src="adopter.ts"></script>', encoding="utf-8"
    )
    run(need("node"), program, "build", "--logLevel=error", cwd=project)
    [main] = (project / "dist" / "assets").glob("index-*.js")
    main.rename(main.with_name("main.js"))
    return main.parent


@pytest.mark.parametrize("bundle", [bundle_esbuild, bundle_vite])
def test_a_bundle_shows_the_element(project: Path, page: Page, bundle: object) -> None:
    folder = bundle(project)  # type: ignore[operator]

    def serve(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if "/api/" in route.request.url:
            route.abort()
        elif name:
            route.fulfill(path=folder / name)
        else:
            route.fulfill(body=PAGE, content_type="text/html")

    page.route("https://bundle.test/**", serve)
    page.goto("https://bundle.test/")
    # The client has no server: what is shown is its notice, in the element's own style.
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    notice = page.locator(".notice-title")
    expect(notice).to_have_css("font-weight", "600")
