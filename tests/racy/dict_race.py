# Data race on a map: one thread walks the table of sessions and logs each, while another adds sessions.
import os
import sys
import threading

sessions = {n: f"user {n}" for n in range(20)}
log = os.open("/dev/null", os.O_WRONLY)
failed = []


def report():
    try:
        for number, user in sessions.items():
            os.write(log, f"{number} {user}\n".encode())
    except RuntimeError as error:
        failed.append(str(error))


def log_in():
    for number in range(20, 25):
        sessions[number] = f"user {number}"
        os.write(log, b"log in\n")


threads = [threading.Thread(target=report), threading.Thread(target=log_in)]
for each in threads:
    each.start()
for each in threads:
    each.join()
if failed:
    print("BUG:", failed[0], flush=True)
    sys.exit(1)
print("all is well: the report is whole", flush=True)
