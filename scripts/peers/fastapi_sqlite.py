"""Metered calls as tutorials build them: FastAPI, SQLite, a quota that is read, compared and written back."""

import sqlite3
import sys

import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request

path, port = sys.argv[1], int(sys.argv[2])
db = sqlite3.connect(f"{path}/usage.db", check_same_thread=False)
db.execute("CREATE TABLE IF NOT EXISTS api_keys (key TEXT PRIMARY KEY, total INTEGER, used INTEGER)")
db.execute("CREATE TABLE IF NOT EXISTS calls (key TEXT, endpoint TEXT, status INTEGER, at TEXT)")
db.commit()
app = FastAPI()


@app.get("/health")
def health():
    return "ok"


@app.post("/v1/detect")
async def detect(request: Request, authorization: str = Header()):
    key = authorization.removeprefix("Bearer ")
    await request.body()
    db.execute("INSERT OR IGNORE INTO api_keys VALUES (?, 1000000000, 0)", (key,))
    total, used = db.execute("SELECT total, used FROM api_keys WHERE key = ?", (key,)).fetchone()
    if used >= total:
        raise HTTPException(402, "no quota left")
    db.execute("UPDATE api_keys SET used = ? WHERE key = ?", (used + 1, key))
    db.execute("INSERT INTO calls VALUES (?, '/v1/detect', 200, datetime('now'))", (key,))
    db.commit()
    return {"predictions": [], "usage": {"used": used + 1, "total": total}}


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
