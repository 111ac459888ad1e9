"""mcp, the official SDK: the tools at /mcp and over stdio, with a handshake and without."""

import asyncio
import json
import os

import checks
import httpx2
from checks import DOCUMENTS, KEY, MODEL, QUERY, URL
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

def of(results):
    """(index, score) of the tool's results."""
    return [(result["index"], result["score"]) for result in results]


async def tools(name, client):
    """What both transports must do."""
    listed = (await client.list_tools()).tools
    checks.that(f"{name}: tools", sorted(tool.name for tool in listed) == ["models", "rerank", "search"], listed)
    checks.that(f"{name}: read-only", all(tool.annotations.read_only_hint for tool in listed), listed)
    models = await client.call_tool("models", {})
    checks.that(f"{name}: models", models.structured_content["models"] == [MODEL], models)

    # The SDK holds the answer against the tool's schema.
    ranked = await client.call_tool("rerank", {"query": QUERY, "documents": DOCUMENTS, "top_k": len(DOCUMENTS)})
    results = ranked.structured_content["results"]
    checks.ranking(f"{name}: rerank", of(results))
    checks.that(f"{name}: best window", results[0]["best_window"] in DOCUMENTS[results[0]["index"]], results[0])
    checks.that(f"{name}: as text too", of(json.loads(ranked.content[0].text)["results"]) == of(results), ranked)
    few = await client.call_tool("rerank", {"query": QUERY, "documents": DOCUMENTS, "top_k": 2})
    checks.ranking(f"{name}: rerank with top_k", of(few.structured_content["results"]), 2)

    empty = await client.call_tool("rerank", {"query": QUERY, "documents": []})
    told = empty.is_error and "'documents' is an empty list" in empty.content[0].text
    checks.that(f"{name}: an empty list is told in words", told, empty)


async def over_http():
    for mode in ["auto", "legacy", "2026-07-28"]:
        async with httpx2.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as http:
            async with Client(streamable_http_client(f"{URL}/mcp", http_client=http), mode=mode) as client:
                await tools(f"mcp at /mcp, {mode}: {client.protocol_version}", client)
    try:
        async with Client(f"{URL}/mcp") as client:
            await client.list_tools()
    except Exception as error:  # whatever the SDK makes of a 401
        checks.that("mcp at /mcp, no key", True, error)
    else:
        checks.that("mcp at /mcp, no key", False, "no error")


async def over_stdio():
    server = StdioServerParameters(command=os.environ["NEARSORT_BINARY"], args=["mcp", "--model", MODEL],
                                   env=json.loads(os.environ["NEARSORT_HOMES"]))
    for mode in ["auto", "legacy"]:
        async with Client(server, mode=mode) as client:
            await tools(f"mcp over stdio, {mode}: {client.protocol_version}", client)


asyncio.run(over_http())
asyncio.run(over_stdio())
