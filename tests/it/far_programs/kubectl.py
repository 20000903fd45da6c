"""A stand-in for kubectl, with the parts that `examples/kubernetes.sh` calls: its Jobs are processes of this machine.

Everything is in the folder KUBECTL_STATE. There, tests make files that say what goes wrong: `unreachable` (nobody
answers), `lost` (the next request is executed, and its answer is lost), `forbidden` (no Job may be made).
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ["KUBECTL_STATE"])
CONDITIONS = '{.metadata.name} {.status.conditions[?(@.status=="True")].type}'
MESSAGE = '{.status.conditions[?(@.type=="Failed")].message}'
EXIT_CODE = '{.items[*].status.containerStatuses[?(@.name=="program")].state.terminated.exitCode}'


def fail(message):
    sys.exit(message)


def reach():
    if (STATE / "unreachable").exists():
        fail("The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?")


def expanded(text, variables):
    """What Kubernetes makes of $(NAME) and $$ in commands and variables."""
    value = lambda match: "$" if match[0] == "$$" else variables.get(match[1], match[0])
    return re.sub(r"\$\$|\$\(([^)]*)\)", value, text)


def create(manifest):
    # Who asks may be told to end meanwhile; a server completes what it has begun.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    job = json.loads(Path(manifest).read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job"), job
    assert job["spec"]["backoffLimit"] == 0, job
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never", job
    [container] = pod["containers"]
    assert container["name"] == "program", job
    name = job["metadata"]["name"]
    if (STATE / "forbidden").exists():
        fail('Error from server (Forbidden): error when creating "job": jobs.batch is forbidden: quota is used up')
    folder = STATE / NAMESPACE / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        fail(f'Error from server (AlreadyExists): error when creating "job": jobs.batch "{name}" already exists')
    variables = {}
    for variable in container["env"]:
        variables[variable["name"]] = expanded(variable["value"], variables)
    (folder / "image").write_text(container["image"])
    command = [expanded(word, variables) for word in container["command"]]
    line = 'cd "$0" && { "$@" >output 2>&1; echo $? >code.new && mv code.new code; }'
    with open(os.devnull) as nothing:
        process = subprocess.Popen(
            ["sh", "-c", line, folder, *command],
            env={"PATH": os.environ["PATH"], **variables},
            stdin=nothing,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
        )
    (folder / "group").write_text(str(process.pid))
    print(f"job.batch/{name} created")


def code(folder):
    path = folder / "code"
    return path.read_text().strip() if path.exists() else ""


def get(what, *options):
    query = options[options.index("-o") + 1].removeprefix("jsonpath=")
    if what == "pods":
        assert query == EXIT_CODE, query
        print(code(STATE / NAMESPACE / options[options.index("-l") + 1].removeprefix("job-name=")), end="")
        return
    assert what == "job", what
    name = options[0]
    folder = STATE / NAMESPACE / name
    if not folder.exists():
        if "--ignore-not-found" not in options:
            fail(f'Error from server (NotFound): jobs.batch "{name}" not found')
        return
    lost_pod = (folder / "evicted").exists()
    if query == MESSAGE:
        print("Job has reached the specified backoff limit" if lost_pod else "", end="")
        return
    assert query == CONDITIONS, query
    failed = lost_pod or code(folder) not in ("", "0")
    types = ["FailureTarget", "Failed"] if failed else ["SuccessCriteriaMet", "Complete"] if code(folder) else []
    print(name, *types, end="" if types else " ")


def logs(*options):
    assert options[options.index("-c") + 1] == "program", options
    name = options[-1].removeprefix("job/")
    folder = STATE / NAMESPACE / name
    if not folder.exists():
        fail(f'Error from server (NotFound): jobs.batch "{name}" not found')
    if not (folder / "output").exists():
        fail('Error from server (BadRequest): container "program" is waiting to start: ContainerCreating')
    with open(folder / "output", "rb") as output:
        while True:
            ended = code(folder) != "" or "-f" not in options
            sys.stdout.buffer.write(output.read())
            sys.stdout.flush()
            if ended or not folder.exists():
                return
            reach()
            time.sleep(0.05)


def delete(what, name, *_options):
    assert what == "job", what
    folder = STATE / NAMESPACE / name
    if folder.exists():
        os.killpg(int((folder / "group").read_text()), signal.SIGTERM)
        folder.rename(folder.with_name(f"{name}.deleted"))
        print(f'job.batch "{name}" deleted')


words = [word for word in sys.argv[1:] if not word.startswith("--request-timeout=")]
NAMESPACE = "default"
if words[0] == "--namespace":
    NAMESPACE = words[1]
    words = words[2:]
reach()
verb, words = words[0], words[1:]
if verb == "create":
    assert words[:2] == ["--validate=false", "-f"], words
    create(words[2])
else:
    {"get": get, "logs": logs, "delete": delete}[verb](*words)
if (STATE / "lost").exists():
    (STATE / "lost").unlink()
    fail("Unable to connect to the server: EOF")
