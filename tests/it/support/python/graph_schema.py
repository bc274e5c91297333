"""Holds requests to Microsoft Graph and their answers against the vendor's description, with a validator that is not ours.

Arguments: the OpenAPI document. Standard input: one call as JSON on each line: method, path, contentType, request, status,
response. Prints what does not fit; the last line counts what was judged.
"""
import base64, json, re, sys
from jsonschema import Draft4Validator

document = json.load(open(sys.argv[1], encoding="utf-8"))


def with_null(node):
    """OpenAPI 3.0 says `nullable` where JSON Schema has a union with null."""
    if isinstance(node, dict):
        node = {key: with_null(value) for key, value in node.items()}
        if node.pop("nullable", False):
            return {"anyOf": [node, {"type": "null"}]}
        return node
    return [with_null(one) for one in node] if isinstance(node, list) else node


def without_base(name, node):
    """An attachment is always of one of the types that are derived from it, which the description closes like the base itself.
    And what is created has no id yet."""
    if name.startswith("microsoft.graph.attachment") and "anyOf" in node:
        node = {"anyOf": node["anyOf"]}
    if name.endswith("-create"):
        node = {key: value for key, value in node.items() if key != "required" or value != ["id"]}
    return node


schemas = document["components"]["schemas"]
document["components"]["schemas"] = {name: without_base(name, node) for name, node in schemas.items()}
components = with_null(document["components"])
paths = []
for template, operations in document["paths"].items():
    pattern = "^" + re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template)) + "$"
    paths.append((re.compile(pattern), template.count("{"), operations))
# The description lists no paths of inbox rules; the metadata has them (`messageRules` of `mailFolder`), and it has their shape.
RULE = {"$ref": "#/components/schemas/microsoft.graph.messageRule"}


def json_of(schema):
    return {"content": {"application/json": {"schema": schema}}}


RULES = r"^/users/[^/]+/mailFolders/[^/]+/messageRules"
LIST = {"type": "object", "required": ["value"], "properties": {"value": {"type": "array", "items": RULE}}}
paths.append((re.compile(RULES + "$"), 2, {
    "get": {"responses": {"200": json_of(LIST)}},
    "post": {"requestBody": json_of({"$ref": "#/components/schemas/microsoft.graph.messageRule-create"}), "responses": {"201": json_of(RULE)}},
}))
paths.append((re.compile(RULES + "/[^/]+$"), 3, {
    "get": {"responses": {"200": json_of(RULE)}},
    "patch": {"requestBody": json_of(RULE), "responses": {"200": json_of(RULE)}},
    "delete": {"responses": {"204": {}}},
}))
paths.sort(key=lambda entry: entry[1])
wrong, judged = [], 0


def is_own(error):
    """The description has one shape for what is sent and what is answered: ids are the service's to give."""
    return error.validator == "required" and error.message.startswith("'id'")


def check(what, schema, value):
    global judged
    judged += 1
    whole = {"allOf": [with_null(schema)], "components": components}
    errors = [error for error in Draft4Validator(whole).iter_errors(value)]
    if what.endswith("(request)"):
        errors = [error for error in errors if not is_own(error)]
    for error in errors[:3]:
        wrong.append(f"{what}: {'/'.join(map(str, error.path))}: {error.message[:300]}")


def resolved(node):
    while "$ref" in node:
        found = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def content(holder):
    return resolved(holder).get("content", {}).get("application/json", {}).get("schema")


def judge(call):
    path = call["path"].split("?")[0].removeprefix("/v1.0")
    what = f"{call['method']} {path}"
    if path == "/$batch":
        return judge_batch(call)
    found = [operations for pattern, _, operations in paths if pattern.match(path)]
    if not found or call["method"].lower() not in found[0]:
        wrong.append(f"{what}: it is not in the vendor's description")
        return
    operation = found[0][call["method"].lower()]
    request = call["request"]
    if (call.get("contentType") or "").startswith("text/plain"):
        base64.b64decode(request, validate=True)
    elif request:
        schema = content(operation.get("requestBody", {}))
        if schema is None:
            if request not in ("{}", "null"):
                wrong.append(f"{what}: a body where none belongs")
        else:
            check(f"{what} (request)", schema, json.loads(request))
    if call["response"] and call["status"] < 300:
        responses = operation["responses"]
        holder = responses.get(str(call["status"])) or responses.get("2XX") or responses.get("default")
        schema = content(holder) if holder else None
        if schema is not None:
            check(f"{what} ({call['status']})", schema, without_removals(what, json.loads(call["response"])))
    elif call["response"]:
        error = json.loads(call["response"])["error"]
        if not {"code", "message"} <= error.keys():
            wrong.append(f"{what}: an error needs a code and a message")


def without_removals(what, body):
    """`@removed` belongs to the protocol (OData 4.01 delta payloads), and the description does not know it."""
    for entry in body.get("value", []) if isinstance(body.get("value"), list) else []:
        removed = entry.pop("@removed", {"reason": "deleted"}) if isinstance(entry, dict) else {"reason": "deleted"}
        if removed.get("reason") not in ("changed", "deleted"):
            wrong.append(f"{what}: @removed without a reason")
    return body


def judge_batch(call):
    answers = {}
    if call["response"]:
        answers = {one["id"]: one for one in json.loads(call["response"]).get("responses", [])}
    for part in json.loads(call["request"])["requests"]:
        answer = answers.get(part["id"], {})
        body, sent = answer.get("body"), part.get("body", "")
        judge({
            "method": part["method"],
            "path": part["url"],
            "contentType": part.get("headers", {}).get("Content-Type"),
            "request": sent if isinstance(sent, str) else json.dumps(sent),
            "status": answer.get("status", 200),
            "response": json.dumps(body) if isinstance(body, dict) else "",
        })


for line in sys.stdin:
    judge(json.loads(line))
print("\n".join(wrong[:20]))
print(json.dumps({"judged": judged, "wrong": len(wrong)}))
