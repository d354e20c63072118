"""A bulk operation executes a mutation for each line of an upload, and its result names the line of each answer."""

import asyncio
from typing import Any

import orjson
import pytest

SCOPES = "write_products,write_inventory,read_locations"
UPLOADS = """mutation($input: [StagedUploadInput!]!) { stagedUploadsCreate(input: $input) {
  stagedTargets { url resourceUrl parameters { name value } } userErrors { field message } } }"""
RUN = """mutation($mutation: String!, $path: String!) {
  bulkOperationRunMutation(mutation: $mutation, stagedUploadPath: $path) {
    bulkOperation { id status type objectCount url } userErrors { field message code } } }"""
READ = """query($id: ID!) { bulkOperation(id: $id) {
  id status errorCode objectCount rootObjectCount fileSize url partialDataUrl completedAt } }"""
CANCEL = """mutation($id: ID!) { bulkOperationCancel(id: $id) { bulkOperation { id status }
  userErrors { field message } } }"""
SET = """mutation($input: ProductSetInput!) { productSet(input: $input) {
  product { id title } userErrors { field message code } } }"""


@pytest.fixture
async def token(sandbox: Any) -> str:
    await sandbox.create_shop(products=2, plan="enterprise")
    return str(await sandbox.install(scope=SCOPES))


async def send(sandbox: Any, token: str, query: str, **variables: Any) -> Any:
    body = (await sandbox.query(token, query, **variables)).json()
    assert "errors" not in body, body
    return next(iter(body["data"].values()))


async def upload(sandbox: Any, token: str, lines: list[Any]) -> str:
    """Upload the lines as JSON. Returns the path of the upload."""
    file = {"resource": "BULK_MUTATION_VARIABLES", "filename": "v.jsonl", "mimeType": "text/jsonl"}
    payload = await send(sandbox, token, UPLOADS, input=[{**file, "httpMethod": "POST"}])
    target = payload["stagedTargets"][0]
    form = {parameter["name"]: parameter["value"] for parameter in target["parameters"]}
    content = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    path = target["url"].split("8100", 1)[1]
    answer = await sandbox.http.post(path, data=form, files={"file": ("v.jsonl", content, "text/jsonl")})
    assert answer.status_code == 201, answer.text
    return form["key"]


async def run(sandbox: Any, token: str, lines: list[Any], mutation: str = SET) -> Any:
    return await send(sandbox, token, RUN, mutation=mutation, path=await upload(sandbox, token, lines))


async def wait_for_end(sandbox: Any, token: str, gid: str) -> Any:
    async with asyncio.timeout(20):
        while True:
            operation = await send(sandbox, token, READ, id=gid)
            if operation["status"] not in ("CREATED", "RUNNING", "CANCELING"):
                return operation
            await asyncio.sleep(0.02)


async def download(sandbox: Any, url: str) -> list[Any]:
    answer = await sandbox.http.get(url.split("8100", 1)[1])
    return [orjson.loads(line) for line in answer.text.splitlines()]


def build_lines(count: int) -> list[Any]:
    return [{"input": {"title": f"Bulk {n}"}} for n in range(count)]


async def test_each_line_is_executed_and_answered_by_its_number(sandbox: Any, token: str) -> None:
    lines = build_lines(60)
    lines[7] = {"input": {"title": ""}}
    lines[8] = {"input": {"novelty": 1}}
    payload = await run(sandbox, token, lines)
    operation = payload["bulkOperation"]
    assert payload["userErrors"] == []
    assert (operation["status"], operation["type"], operation["objectCount"]) == ("CREATED", "MUTATION", "0")
    operation = await wait_for_end(sandbox, token, operation["id"])
    assert (operation["status"], operation["rootObjectCount"], operation["errorCode"]) == ("COMPLETED", "60", None)
    rows = await download(sandbox, operation["url"])
    assert [row["__lineNumber"] for row in rows] == list(range(60))
    assert rows[0]["data"]["productSet"]["product"]["title"] == "Bulk 0"
    assert rows[7]["data"]["productSet"]["userErrors"][0]["field"] == ["input", "title"]
    assert "errors" in rows[8]
    assert (await sandbox.control("GET", ""))["products"] == 2 + 58
    assert (await sandbox.control("GET", "/statistics"))["writes"]["productSet"] == 58


async def test_five_operations_run_at_once_and_a_cancelled_one_makes_room(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"bulk_lines_per_second": 0.1})
    gids = [(await run(sandbox, token, build_lines(9)))["bulkOperation"]["id"] for _ in range(5)]
    payload = await run(sandbox, token, build_lines(1))
    assert payload["bulkOperation"] is None
    assert payload["userErrors"][0]["code"] == "OPERATION_IN_PROGRESS"
    assert all(gid in payload["userErrors"][0]["message"] for gid in gids)
    payload = await send(sandbox, token, CANCEL, id=gids[0])
    assert payload["bulkOperation"]["status"] == "CANCELING"
    assert (await wait_for_end(sandbox, token, gids[0]))["status"] == "CANCELED"
    assert (await run(sandbox, token, build_lines(1)))["userErrors"] == []
    payload = await send(sandbox, token, CANCEL, id=gids[0])
    assert payload["userErrors"][0]["message"] == "A bulk operation cannot be canceled when it is canceled"
    query = '{ bulkOperations(first: 9, query: "status:running operation_type:mutation") { nodes { id } } }'
    running = {node["id"] for node in (await send(sandbox, token, query))["nodes"]}
    assert set(gids[1:]) <= running and gids[0] not in running


async def test_a_fault_ends_an_operation_early_with_what_it_has_done(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"bulk_stops_after_lines": 3})
    operation = (await run(sandbox, token, build_lines(9)))["bulkOperation"]
    operation = await wait_for_end(sandbox, token, operation["id"])
    assert (operation["status"], operation["errorCode"]) == ("FAILED", "INTERNAL_SERVER_ERROR")
    assert operation["url"] is None and len(await download(sandbox, operation["partialDataUrl"])) == 3


async def test_a_fault_leaves_lines_out_of_a_completed_operation(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"bulk_lost_lines": 2})
    operation = (await run(sandbox, token, build_lines(9)))["bulkOperation"]
    operation = await wait_for_end(sandbox, token, operation["id"])
    assert operation["status"] == "COMPLETED" and len(await download(sandbox, operation["url"])) == 7


@pytest.mark.parametrize(
    ("mutation", "field", "code"),
    [
        ("mutation { not real syntax", None, "INVALID_MUTATION"),
        ("{ products(first: 1) { nodes { id } } }", None, "INVALID_MUTATION"),
        (SET.replace("userErrors", "novelty"), ["mutation"], "INVALID_MUTATION"),
        ("#" * 65_536, ["query"], "INVALID_MUTATION"),
        (
            'mutation { a: tagsAdd(id: "1", tags: []) { node { id } } b: tagsAdd(id: "1", tags: []) { node { id } } }',
            ["mutation"], None,
        ),
        (
            "mutation($m: String!, $p: String!) { bulkOperationRunMutation(mutation: $m, stagedUploadPath: $p) "
            "{ userErrors { code } } }",
            ["mutation"], None,
        ),
        (
            "mutation($input: ProductSetInput!) { productSet(input: $input) { product "
            "{ variants(first: 1) { nodes { id } } media(first: 1) { nodes { id } } } } }",
            ["mutation"], None,
        ),
    ],
)  # fmt: skip
async def test_a_wrong_mutation_is_a_user_error(
    sandbox: Any, token: str, mutation: str, field: list[str] | None, code: str | None
) -> None:
    payload = await run(sandbox, token, build_lines(1), mutation)
    assert [(error["field"], error["code"]) for error in payload["userErrors"]] == [(field, code)]


async def test_an_upload_must_be_there_and_not_empty(sandbox: Any, token: str) -> None:
    payload = await send(sandbox, token, RUN, mutation=SET, path="tmp/1/bulk/missing.jsonl")
    assert payload["userErrors"][0]["code"] == "NO_SUCH_FILE"
    payload = await run(sandbox, token, [])
    assert payload["userErrors"][0]["code"] == "INVALID_STAGED_UPLOAD_FILE"


async def test_the_file_is_the_last_field_of_a_form_that_the_target_knows(sandbox: Any, token: str) -> None:
    path = "/shops/acme.myshopify.com/staged-uploads/"
    file = {"file": ("v.jsonl", b"{}", "text/jsonl")}
    assert (await sandbox.http.post(path, data={"key": "tmp/1/bulk/other"}, files=file)).status_code == 403


async def test_stock_is_written_while_an_operation_runs(sandbox: Any, token: str) -> None:
    operation = (await run(sandbox, token, build_lines(400)))["bulkOperation"]
    started = asyncio.get_running_loop().time()
    for _ in range(5):
        await send(sandbox, token, "{ shop { name } }")
    assert asyncio.get_running_loop().time() - started < 5
    assert (await wait_for_end(sandbox, token, operation["id"]))["objectCount"] == "400"
