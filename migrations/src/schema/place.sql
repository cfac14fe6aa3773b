WITH parts AS (
  SELECT btrim(part) AS part FROM regexp_split_to_table(current_setting('search_path'), ',') AS part
), path AS (
  SELECT CASE WHEN btrim(part, '"') = '$user' THEN current_user::text
    WHEN part LIKE '"%' THEN replace(btrim(part, '"'), '""', '"') ELSE lower(part) END AS name
  FROM parts WHERE part <> ''
), counts AS (
  SELECT schemas.nspname::text AS name, quote_ident(schemas.nspname) AS quoted,
    COALESCE(sum(CASE WHEN tables.relname = 'seaql_migrations' THEN 1 ELSE 0 END), 0) AS migrations,
    count(tables.oid) AS tables
  FROM pg_catalog.pg_namespace AS schemas
  LEFT JOIN pg_catalog.pg_class AS tables ON tables.relnamespace = schemas.oid
    AND tables.relname IN ('seaql_migrations', 'head') AND tables.relkind IN ('r', 'p')
  GROUP BY schemas.nspname
)
SELECT quote_ident(current_user) AS role, quote_ident(current_schema()) AS schema,
  current_setting('search_path') AS search_path,
  version() LIKE 'PostgreSQL %' AND version() NOT LIKE '%-YB-%' AS is_postgres,
  to_regclass('migration_lock') IS NOT NULL AS has_lock,
  EXISTS (SELECT 1 FROM counts WHERE name = current_schema()::text AND migrations > 0) AS migrated,
  (SELECT string_agg(quoted, ', ' ORDER BY quoted) FROM counts WHERE name IN (SELECT name FROM path)) AS named,
  (SELECT string_agg(quoted, ', ' ORDER BY quoted) FROM counts
    WHERE tables = 2 AND name <> current_schema()::text AND name IN (SELECT name FROM path)) AS behind,
  (SELECT string_agg(quoted, ', ' ORDER BY quoted) FROM counts
    WHERE tables = 2 AND name NOT IN (SELECT name FROM path)) AS elsewhere
