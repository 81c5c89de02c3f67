#!/usr/bin/python3
"""Fills Maildirs with made-up mail, the same bytes on every run.

usage: mail.py DIR

alice  60 messages in INBOX and 12 in each of curl, imaplib, mutt, mbsync; an empty .../Done below each
bob    2,000 messages, some 20 MB: INBOX, Archive/2024, a folder with a name beyond ASCII, and odd shapes
and the others: 5 messages each
"""
import base64, os, random, sys
from email.utils import formatdate

WORDS = ("agenda answer budget draft garden invoice kernel letter lunch mailbox meeting patch plan quarter queue "
         "question release report review server summary ticket train travel window "
         "über straße naïve façade 東京 Ελλάδα привет").split()
START = 1767225600  # 2026-01-01T00:00:00Z


def modified_utf7(name):
    """RFC 3501 section 5.1.3."""
    out, wide = "", ""
    for c in name + "\0":
        if 0x20 <= ord(c) <= 0x7e or c == "\0":
            if wide:
                out += "&" + base64.b64encode(wide.encode("utf-16be")).decode().rstrip("=").replace("/", ",") + "-"
                wide = ""
            out += {"&": "&-", "\0": ""}.get(c, c)
        else:
            wide += c
    return out


class Mail:
    def __init__(self, root, user):
        # random() and getrandbits() give the same numbers in every Python; choice() does not promise to.
        self.rnd, self.user, self.serial = random.Random(user), user, 0
        self.maildir = os.path.join(root, user, "Maildir")
        self.folder("")

    def folder(self, name):
        self.dir = os.path.join(self.maildir, "." + modified_utf7(name).replace("/", ".")) if name else self.maildir
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(self.dir, sub))
        if name:
            open(os.path.join(self.dir, "maildirfolder"), "w").close()

    def upto(self, n):
        return int(self.rnd.random() * n)

    def text(self, size):
        lines, n = [], 0
        while n < size:
            line = " ".join(WORDS[self.upto(len(WORDS))] for _ in range(4 + self.upto(8)))
            line = {0: ".", 1: "From "}.get(self.upto(50), "") + line
            lines.append(line)
            n += len(line.encode()) + 2
        return "\n".join(lines) + "\n"

    def message(self, subject, size):
        when = START + self.serial * 1801
        head = (f"From: Sender {self.serial % 37} <sender{self.serial % 37}@example.test>\nTo: <{self.user}>\n"
                f"Subject: {subject}\nDate: {formatdate(when)}\n"
                f"Message-ID: <{self.serial}.{self.user}>\nMIME-Version: 1.0\n")
        if size < 20_000:
            return head + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + self.text(size)
        mark = f"=_{self.serial}"
        n = size * 3 // 4
        blob = base64.encodebytes(self.rnd.getrandbits(8 * n).to_bytes(n, "big")).decode()
        return (head + f'Content-Type: multipart/mixed; boundary="{mark}"\n\n--{mark}\n'
                "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + self.text(800) +
                f"--{mark}\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n{blob}--{mark}--\n")

    def add(self, data, flags=""):
        when = START + self.serial * 1801
        self.serial += 1
        data = data if isinstance(data, bytes) else data.encode()
        path = os.path.join(self.dir, "cur", f"{when}.M{self.serial:06d}.lab,S={len(data)}:2,{flags}")
        with open(path, "wb") as f:
            f.write(data)
        os.utime(path, (when, when))

    def many(self, count, size, flags=True):
        for i in range(count):
            words = "=?utf-8?B?" + base64.b64encode(self.text(20).strip().encode()).decode() + "?="
            f = "".join(c for c, p in (("F", .05), ("R", .15), ("S", .7)) if flags and self.rnd.random() < p)
            self.add(self.message(f"{words} number {i + 1}", size(self)), f)

    def mixed(self):
        r = self.rnd.random()
        if r < 0.80: return 400 + self.upto(6_000)
        if r < 0.97: return 6_000 + self.upto(24_000)
        if r < 0.999: return 30_000 + self.upto(170_000)
        return 1_000_000 + self.upto(1_000_000)


def main(root):
    m = Mail(root, "alice@example.test")
    m.many(60, Mail.mixed)
    for client in ("curl", "imaplib", "mutt", "mbsync"):
        m.folder(client)
        for i in range(12):
            body = "\nhaystack\n" if i % 4 else "\nneedle\n"
            m.add(m.message(f"number {i + 1} of {client}", 2_000) + body)
        m.folder(client + "/Done")

    m = Mail(root, "bob@example.test")
    m.many(1_600, Mail.mixed)
    m.folder("Archive/2024")
    m.many(300, Mail.mixed)
    m.folder("Ünïcode & 東京")
    m.many(95, Mail.mixed)
    m.folder("Odd")
    m.add(b"Subject: one long line\n\n" + b"x" * 100_000 + b"\n")
    m.add(b"Subject: every byte but NUL and CR\n\n" + bytes(b for b in range(1, 256) if b != 13) + b"\n")
    m.add(b"Subject: no newline at the end\n\nend", "F")
    m.add(b"Subject: looks like IMAP\n\n* 1 FETCH (BODY[] {5}\r\n)\na1 OK done\n+ idling\n* BYE\n", "S")
    m.add(b"Subject: empty body\n\n", "S")

    for user in ("carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "karl", "lena", "mike", "nina",
                 "olga", "otto", "paul", "rosa", "load1", "load2", "load3", "load4", "load5"):
        m = Mail(root, user + "@example.test")
        m.many(5, lambda m: 500)


if __name__ == "__main__":
    main(sys.argv[1])
