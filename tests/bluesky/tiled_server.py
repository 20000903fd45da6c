#!/usr/bin/env python3
"""The command `tiled`, with one thread at a time on a connection to DuckDB.

Tiled 0.2.20 reads and writes tables on worker threads, and for DuckDB all of them get the same ADBC connection (a
`StaticPool`), which is not safe: where two requests meet, one commits or rolls back the transaction of the other, reads
answer HTTP 500, and within seconds the process ends by SIGSEGV. A pool of one makes the second wait, as the sizes that
Tiled itself sets for DuckDB say (`pool_size` 1, `max_overflow` 0).
"""

import functools
import sys

import sqlalchemy.pool
from tiled.commandline.main import main
from tiled.storage import SQLStorage

theirs = SQLStorage.__dict__["_connection_pool"]  # another Tiled than that of requirements.txt may not have it


def connection_pool(storage):
    if storage.dialect != "duckdb":
        return theirs.func(storage)
    return sqlalchemy.pool.QueuePool(storage._adbc_connection.adbc_clone, pool_size=1, max_overflow=0, timeout=60)


SQLStorage._connection_pool = functools.cached_property(connection_pool)
SQLStorage._connection_pool.__set_name__(SQLStorage, "_connection_pool")

if __name__ == "__main__":
    sys.exit(main())
