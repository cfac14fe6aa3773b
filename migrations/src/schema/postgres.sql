WITH ours AS (
  SELECT tables.oid, tables.relname::text AS name, quote_ident(tables.relname) AS quoted,
    tables.relkind::text AS kind, tables.relpersistence::text AS persistence
  FROM pg_catalog.pg_class AS tables
  JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = tables.relnamespace
  WHERE schemas.nspname = current_schema() AND tables.relname IN ({tables})
), columns AS (
  SELECT ours.name AS of_table, columns.attname::text AS name,
    format_type(columns.atttypid, columns.atttypmod) ||
      CASE columns.attgenerated::text WHEN '' THEN '' ELSE ' generated' END AS type,
    columns.attnotnull AND NOT columns.atthasdef AND columns.attidentity::text = '' AS needed
  FROM ours JOIN pg_catalog.pg_attribute AS columns ON columns.attrelid = ours.oid
  WHERE columns.attnum > 0 AND NOT columns.attisdropped
), keys AS (
  SELECT ours.name AS of_table, indexes.indexrelid, string_agg(columns.attname::text, ', ' ORDER BY parts.place) AS names
  FROM ours JOIN pg_catalog.pg_index AS indexes ON indexes.indrelid = ours.oid
  CROSS JOIN LATERAL unnest(indexes.indkey::smallint[]) WITH ORDINALITY AS parts (number, place)
  JOIN pg_catalog.pg_attribute AS columns ON columns.attrelid = ours.oid AND columns.attnum = parts.number
  WHERE parts.place <= indexes.indnkeyatts AND indexes.indisunique AND indexes.indisvalid
    AND indexes.indisready AND indexes.indimmediate AND indexes.indpred IS NULL AND indexes.indexprs IS NULL
  GROUP BY ours.name, indexes.indexrelid
)
SELECT name AS of_table, 'fact' AS kind, 'table' AS words FROM ours WHERE kind IN ('r', 'p')
UNION ALL
SELECT of_table, 'fact', 'column ' || name || ' ' || type FROM columns
UNION ALL
SELECT of_table, 'need', 'needs a value of ' || name FROM columns WHERE needed
UNION ALL
SELECT DISTINCT of_table, 'fact', 'unique (' || names || ')' FROM keys
UNION ALL
SELECT ours.name, 'fact', pg_get_constraintdef(foreign_keys.oid)
FROM ours JOIN pg_catalog.pg_constraint AS foreign_keys ON foreign_keys.conrelid = ours.oid
WHERE foreign_keys.contype::text = 'f'
UNION ALL
SELECT name, 'harm', 'is not a table but ' || CASE kind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view'
  WHEN 'f' THEN 'a foreign table' ELSE 'something else' END || ': remove it, and restore the table from a backup'
FROM ours WHERE kind NOT IN ('r', 'p')
UNION ALL
SELECT name, 'harm', 'is unlogged, so that a crash of the server empties it: run ALTER TABLE ' || quoted || ' SET LOGGED'
FROM ours WHERE kind IN ('r', 'p') AND persistence <> 'p'
UNION ALL
SELECT ours.name, 'harm', 'has the trigger ' || quote_ident(triggers.tgname) ||
  ', which can change rows or leave them out: run DROP TRIGGER ' || quote_ident(triggers.tgname) || ' ON ' || ours.quoted
FROM ours JOIN pg_catalog.pg_trigger AS triggers ON triggers.tgrelid = ours.oid
WHERE NOT triggers.tgisinternal AND triggers.tgenabled::text IN ('O', 'A') AND triggers.tgtype & 3 = 3
UNION ALL
SELECT DISTINCT ours.name, 'harm', 'has foreign keys that are switched off: run ALTER TABLE ' || ours.quoted ||
  ' ENABLE TRIGGER ALL'
FROM ours JOIN pg_catalog.pg_trigger AS triggers ON triggers.tgrelid = ours.oid
WHERE triggers.tgisinternal AND triggers.tgenabled::text NOT IN ('O', 'A')
UNION ALL
SELECT ours.name, 'harm', 'has the rule ' || quote_ident(rules.rulename) ||
  ', which can replace statements: run DROP RULE ' || quote_ident(rules.rulename) || ' ON ' || ours.quoted
FROM ours JOIN pg_catalog.pg_rewrite AS rules ON rules.ev_class = ours.oid
WHERE ours.kind IN ('r', 'p') AND rules.ev_enabled::text <> 'D'
UNION ALL
SELECT name, 'harm', 'has row-level security, which hides rows from the role ' || quote_ident(current_user) ||
  ': run ALTER TABLE ' || quoted || ' DISABLE ROW LEVEL SECURITY, or ALTER ROLE ' || quote_ident(current_user) ||
  ' BYPASSRLS'
FROM ours WHERE kind IN ('r', 'p') AND row_security_active(oid)
ORDER BY 1, 2, 3
