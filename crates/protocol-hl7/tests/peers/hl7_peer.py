"""The package `hl7` as a local system: its MLLP client and its asyncio server.

    hl7_peer.py send PORT     sends the message on standard input, prints the answer
    hl7_peer.py serve         prints the port, then what each message that it got is, and answers AA
"""

import asyncio
import hashlib
import sys

import hl7
from hl7.client import MLLPClient
from hl7.mllp import start_hl7_server


def send(port):
    message = sys.stdin.buffer.read()
    with MLLPClient("127.0.0.1", port) as client:
        answer = client.send_message(message)
    parsed = hl7.parse(answer.strip(b"\x0b\x1c\r").decode("utf-8") + "\r")
    msa = parsed.segment("MSA")
    print(str(msa[1]), str(msa[2]), str(parsed.segment("MSH")[9]))


async def answer(reader, writer):
    while True:
        try:
            message = await reader.readmessage()
        except asyncio.IncompleteReadError:
            break
        # The text of what it parsed is the message itself, so this shows whether anything was lost on the way.
        digest = hashlib.sha256(str(message).encode("latin-1")).hexdigest()
        print("got", str(message.segment("MSH")[10]), digest, flush=True)
        writer.writemessage(message.create_ack("AA"))
        await writer.drain()


async def serve():
    server = await start_hl7_server(answer, host="127.0.0.1", port=0, encoding="latin-1", limit=10**7)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(int(sys.argv[2]))
    else:
        asyncio.run(serve())
