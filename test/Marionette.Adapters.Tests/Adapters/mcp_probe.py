#!/usr/bin/env python3
"""An MCP server with one tool, which tells what its session gave it: the kit's subject for MCP servers of a session."""
import json, os, sys, time

TOOL = {
    "name": "probe", "description": "Says what it was given.", "annotations": {"readOnlyHint": True},
    "inputSchema": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}


def answer(method, parameters):
    if method == "initialize":
        return {"protocolVersion": parameters["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "probe", "version": "1"}}
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        text = f"{parameters['arguments']['word']} and {os.environ.get('PROBE', 'nothing')}"
        return {"content": [{"type": "text", "text": text}], "isError": False}
    return {}


# As a server that is being downloaded, or on a machine that does much else.
time.sleep(float(os.environ.get("PROBE_DELAY", "0")))
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer(message["method"], message.get("params", {}))}), flush=True)
