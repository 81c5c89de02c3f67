#!/usr/bin/python3
"""Where the submission servers send: keeps each message in a file of its own, byte for byte.

sink.py PORT DIRECTORY. A file has its name once it is whole; SENDER:RECIPIENT:NUMBER.
"""
import asyncio, os, sys

from aiosmtpd.smtp import SMTP

port, directory = int(sys.argv[1]), sys.argv[2]


class Keep:
    count = 0

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        part = os.path.join(directory, f".{self.count}")
        with open(part, "wb") as f:
            f.write(envelope.content)
        os.rename(part, os.path.join(directory, ":".join([envelope.mail_from, *envelope.rcpt_tos, str(self.count)])))
        return "250 2.0.0 kept"


async def main():
    keep = Keep()
    # With a name of its own, for the default is looked up anew for each connection.
    make = lambda: SMTP(keep, hostname="sink.example.test", data_size_limit=64 << 20, enable_SMTPUTF8=True)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", port)
    await server.serve_forever()


asyncio.run(main())
