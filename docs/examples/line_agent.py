#!/usr/bin/env python3
"""An agent in twenty lines: asks before it writes a file, takes messages, and stops when it is told to."""
import json, sys

def say(type, **data):
    print(json.dumps({"type": type, "data": data}), flush=True)

def hear():
    line = sys.stdin.readline()
    return json.loads(line) if line else {"type": "interrupt", "data": {}}

task = hear()["data"]
say("progress", step="Thinking it over", percent=50)
say("permission.request", request_id="1", tool="write", category="edit", takes_input=True,
    paths=["answer.txt"], description="Write the answer", input={"text": task["prompt"].upper()})
while (heard := hear())["type"] == "message":
    say("text", text="I was also told: " + heard["data"]["text"])
if heard["type"] == "permission.answer" and heard["data"]["allow"]:
    text = heard["data"].get("updated_input", {"text": task["prompt"].upper()})["text"]
    open("answer.txt", "w").write(text)
    say("result", result="I wrote: " + text)
else:
    say("result", result="I wrote nothing: " + heard["data"].get("reason", heard["type"]))
