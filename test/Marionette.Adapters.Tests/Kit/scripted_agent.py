#!/usr/bin/env python3
"""The scenarios of the model server as an agent of its own that speaks the line protocol: the kit's subject for the command adapter."""
import json, os, queue, re, shlex, subprocess, sys, threading, time

inbox, heard = queue.Queue(), []
UNICODE = "ASCII, 👩‍👩‍👧‍👦 🇩🇪 𝒳 𠜎, quote \" backslash \\ slash / <tag> & entity, end.\nSecond line."


def read():
    for line in sys.stdin:
        message = json.loads(line)
        (heard.append if message["type"] == "message" else inbox.put)(message)
    inbox.put({"type": "interrupt", "data": {}})


def say(type, **data):
    print(json.dumps({"type": type, "data": data}), flush=True)


def speak(pieces, delay=0.0, message="m1"):
    for piece in pieces:
        time.sleep(delay)
        say("text.delta", message_id=message, index=0, text=piece)
        if not inbox.empty() and inbox.queue[0]["type"] == "interrupt":
            sys.exit(0)
    say("text", message_id=message, index=0, text="".join(pieces))
    return "".join(pieces)


def chunks(text, size):
    return [text[i:i + size] for i in range(0, len(text), size)]


def ask(tool, category, input, **more):
    say("permission.request", request_id=tool, tool=tool, category=category, input=input, takes_input=True, **more)
    answer = inbox.get()
    if answer["type"] != "permission.answer":
        sys.exit(0)
    data = answer["data"]
    return (data.get("updated_input") or input, None) if data["allow"] else (None, data.get("reason", "no reason"))


def shell(arguments):
    input, denied = ask("shell", "command", {"command": arguments["cmd"]}, command=arguments["cmd"])
    say("tool_use", tool_use_id="t1", name="shell", input=input or {"command": arguments["cmd"]})
    if denied:
        say("tool_result", tool_use_id="t1", content=denied, is_error=True)
        return speak(["The tool failed: " + denied])
    done = subprocess.run(["/bin/sh", "-c", input["command"]], capture_output=True, text=True)
    say("tool_result", tool_use_id="t1", content=done.stdout + done.stderr, is_error=done.returncode != 0)
    return speak(["The tool answered: " + done.stdout])


def write(arguments):
    path = os.path.join(os.getcwd(), arguments["file"])
    text = arguments["text"].replace("\\n", "\n")
    diff = f"--- /dev/null\n+++ {path}\n@@ -0,0 +1 @@\n" + "".join(f"+{line}\n" for line in text.split("\n"))
    input, denied = ask("write", "edit", {"path": path, "text": text}, paths=[path], diff=diff)
    if not denied:
        open(input["path"], "w").write(input["text"])
    return speak(["I wrote it." if not denied else denied])


def play(prompt):
    result = ""
    for line in re.findall(r"^@scenario (.*)$", prompt, re.MULTILINE):
        name, *words = shlex.split(line)
        arguments = dict(word.split("=", 1) for word in words)
        number = lambda key, other: int(arguments.get(key, other))
        if name == "shell":
            result = shell(arguments)
        elif name == "write":
            result = write(arguments)
        elif name == "slow":
            result = speak(chunks("x" * number("chunks", 20) * number("size", 16), number("size", 16)), number("delay_ms", 100) / 1000)
        else:
            text = {"say": arguments.get("text"), "huge": "h" * number("bytes", 1), "unicode": UNICODE}[name]
            result = speak(chunks(text, 8192 if name == "huge" else 8))
    return result


prompt = json.loads(sys.stdin.readline())["data"]["prompt"]
threading.Thread(target=read, daemon=True).start()
say("state", phase="starting")
result = play(prompt)
for message in heard:
    result = speak([re.search(r'text="?([^"\n]*)', message["data"]["text"]).group(1)], message="m2")
say("usage", input_tokens=10, output_tokens=5, cache_read_tokens=0, cache_write_tokens=0)
say("result", result=result)
sys.stdout.flush()
os._exit(0)
