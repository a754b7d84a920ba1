#!/usr/bin/env python3
"""An agent that speaks ACP and does what its prompt says, one JSON object: how real agents use what few of them use."""
import itertools, json, sys

ids = itertools.count(1000)


def send(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def update(_name, **more):
    send(method="session/update", params={"sessionId": "s1", "update": {"sessionUpdate": _name, **more}})


def call(method, **params):
    """Asks the client; what comes meanwhile and is no answer (a cancel) is passed over."""
    asked = next(ids)
    send(id=asked, method=method, params={"sessionId": "s1", **params})
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("id") == asked:
            return message.get("result", message.get("error"))


def run_in_terminal(plan):
    said = {"created": call("terminal/create", **plan["create"])}
    terminal = said["created"].get("terminalId")
    if terminal is None:
        return said
    tool = {"toolCallId": "t1", "content": [{"type": "terminal", "terminalId": terminal}]}
    update("tool_call", **tool, title="run", kind="execute", status="in_progress", rawInput={"command": plan["create"]["command"]})
    for step in plan["steps"]:
        said[step] = call("terminal/" + step, terminalId=terminal)
    update("tool_call_update", **tool, status="completed")
    said["after"] = call("terminal/output", terminalId=terminal)
    return said


def ask(plan):
    options = [{"optionId": "yes", "kind": "allow_once", "name": "Yes"}, {"optionId": "no", "kind": "reject_once", "name": "No"}]
    answer = call("session/request_permission", options=options, toolCall={"toolCallId": "t1", "title": "run", "kind": "execute", "rawInput": {"command": "true"}})
    return {"answer": answer}


for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize":
        send(id=message["id"], result={"protocolVersion": 1, "agentCapabilities": {}})
    elif method == "session/new":
        send(id=message["id"], result={"sessionId": "s1"})
    elif method == "session/prompt":
        plan = json.loads(message["params"]["prompt"][0]["text"])
        said = ask(plan) if plan["do"] == "ask" else run_in_terminal(plan)
        if plan.get("die"):
            sys.exit(3)
        update("agent_message_chunk", content={"type": "text", "text": json.dumps(said)})
        send(id=message["id"], result={"stopReason": "end_turn"})
