#!/usr/bin/env python3
"""A small web service over Redis: each user's profile, and each user's feed of the newest items.

  GET /profile/USER  who the user is
  GET /feed/USER     the user's newest items, as of the next edition; 503 when that takes too long

It has a real bug, and README.md says where; try to find it first.
"""
import argparse
import asyncio
import json
import os
import time

import redis.asyncio

# Editions come out by the clock on the wall, at .0, .1, .2 …
EDITION_EVERY_S = 0.1
# No user waits longer for one than until it is out.
PATIENCE_S = 0.1


class Service:
    def __init__(self, database):
        self.redis = redis.asyncio.Redis(unix_socket_path=database, decode_responses=True)

    async def profile(self, user):
        return 200, {"profile": await self.redis.get(f"profile:{user}")}

    async def feed(self, user):
        try:
            return 200, await asyncio.wait_for(self.next_edition(user), PATIENCE_S)
        except asyncio.TimeoutError:
            return 503, {"error": "try again"}

    async def next_edition(self, user):
        await asyncio.sleep(EDITION_EVERY_S - time.time() % EDITION_EVERY_S)
        items = await self.redis.sort(f"feed:{user}", by="item:*->rank", get="item:*->title", start=0, num=3)
        return {"user": user, "items": items}

    async def answer(self, path):
        match path.strip("/").split("/"):
            case ["profile", user]:
                return await self.profile(user)
            case ["feed", user]:
                return await self.feed(user)
            case _:
                return 404, {"error": f"there is no {path}"}

    async def serve(self, reader, writer):
        try:
            while request := await reader.readline():
                while await reader.readline() not in (b"\r\n", b""):
                    pass
                _, path, _ = request.decode().split()
                try:
                    status, value = await self.answer(path)
                except Exception as error:
                    status, value = 500, {"error": repr(error)}
                body = json.dumps(value).encode() + b"\n"
                writer.write(b"HTTP/1.1 %d -\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
                await writer.drain()
        finally:
            writer.close()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--redis", required=True, help="the socket of the Redis server")
    parser.add_argument("--address-file", required=True)
    args = parser.parse_args()
    service = Service(args.redis)
    await service.redis.ping()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    with open(args.address_file + ".new", "w") as file:
        file.write("%s:%d\n" % server.sockets[0].getsockname())
    os.rename(args.address_file + ".new", args.address_file)
    await server.serve_forever()


asyncio.run(main())
