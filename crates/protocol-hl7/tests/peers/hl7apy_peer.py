"""The package `hl7apy` as a local system: it builds, parses and validates by its own tables.

    hl7apy_peer.py send PORT ADDRESS     builds a REF^I12 for ADDRESS, sends it, prints what it thinks of the answer
    hl7apy_peer.py serve                 prints the port, then what it thinks of each message, and answers AA
"""

import socket
import sys

from hl7apy.core import Message
from hl7apy.mllp import AbstractHandler, MLLPServer
from hl7apy.parser import parse_message


def build(address):
    value, system = address.split("^", 1)
    message = Message("REF_I12", version="2.4")
    message.msh.msh_3 = "HL7APY"
    message.msh.msh_4 = "BELFAST"
    message.msh.msh_5 = "BULKHEAD"
    message.msh.msh_7 = "20260801231500"
    message.msh.msh_9 = "REF^I12^REF_I12"
    message.msh.msh_10 = "APY1"
    message.msh.msh_11 = "P"
    message.rf1.rf1_2 = "R"
    message.rf1.rf1_6 = "OOH-4711^BELFAST"
    for role, identifier in (("RP", None), ("RT", f"{value}^{system}")):
        provider = message.add_group("REF_I12_PROVIDER_CONTACT")
        provider.prd.prd_1 = role
        if identifier:
            provider.prd.prd_7 = identifier
    message.pid.pid_3 = "3200123451^^^HSC^NH"
    message.pid.pid_5 = "Quillfeather^Zebedee"
    message.validate()
    return message


def verdict(text):
    message = parse_message(text, find_groups=True)
    message.validate()
    return message


def send(port, address):
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(build(address).to_mllp().encode("utf-8"))
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            answer += line.recv(4096)
    ack = verdict(answer.strip(b"\x0b\x1c\r").decode("utf-8"))
    print(ack.msa.msa_1.value, ack.msa.msa_2.value, ack.msh.msh_9.value)


class Referral(AbstractHandler):
    def reply(self):
        try:
            message = verdict(self.incoming_message)
            print("valid", message.msh.msh_10.value, flush=True)
        except Exception as error:
            message = parse_message(self.incoming_message, find_groups=False)
            print("invalid", type(error).__name__, flush=True)
        ack = Message("ACK", version="2.4")
        ack.msh.msh_3 = "HL7APY"
        ack.msh.msh_7 = "20260801231501"
        ack.msh.msh_9 = "ACK^I12^ACK"
        ack.msh.msh_10 = "APYACK1"
        ack.msh.msh_11 = "P"
        ack.msa.msa_1 = "AA"
        ack.msa.msa_2 = message.msh.msh_10.value
        return ack.to_mllp()


def serve():
    keys = [f"{kind}^{event}^{kind}_I12" for kind in ("REF", "RRI") for event in ("I12", "I13", "I14")]
    server = MLLPServer("127.0.0.1", 0, {key: (Referral,) for key in keys})
    print("port", server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(int(sys.argv[2]), sys.argv[3])
    else:
        serve()
