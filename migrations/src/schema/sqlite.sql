WITH ours AS (
  SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ({tables})
), columns AS (
  SELECT ours.name AS of_table, columns.name,
    lower(columns.type) || CASE WHEN columns.hidden IN (2, 3) THEN ' generated' ELSE '' END AS type,
    columns."notnull" AND columns.dflt_value IS NULL AND columns.hidden = 0 AS needed, columns.pk
  FROM ours JOIN pragma_table_xinfo(ours.name) AS columns
), keys AS (
  SELECT ours.name AS of_table, (
    SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_index_info(indexes.name) ORDER BY seqno)
  ) AS names
  FROM ours JOIN pragma_index_list(ours.name) AS indexes WHERE indexes."unique" AND NOT indexes.partial
  UNION
  SELECT ours.name, (
    SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_table_info(ours.name) WHERE pk > 0 ORDER BY pk)
  )
  FROM ours WHERE EXISTS (SELECT 1 FROM columns WHERE columns.of_table = ours.name AND columns.pk > 0)
)
SELECT name AS of_table, 'fact' AS kind, 'table' AS words FROM ours
UNION ALL
SELECT of_table, 'fact', 'column ' || name || ' ' || type FROM columns
UNION ALL
SELECT of_table, 'need', 'needs a value of ' || name FROM columns WHERE needed
UNION ALL
SELECT of_table, 'fact', 'unique (' || names || ')' FROM keys
UNION ALL
SELECT ours.name, 'fact', 'FOREIGN KEY (' || group_concat(parts."from", ', ') || ') REFERENCES ' || parts."table" ||
  '(' || group_concat(parts."to", ', ') || ')'
FROM ours JOIN pragma_foreign_key_list(ours.name) AS parts GROUP BY ours.name, parts.id
UNION ALL
SELECT name, 'harm', 'is not a table but a view: remove it, and restore the table from a backup'
FROM sqlite_master WHERE type = 'view' AND name IN ({tables})
UNION ALL
SELECT tbl_name, 'harm', 'has the trigger ' || name || ', which can change rows or leave them out: run DROP TRIGGER ' || name
FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ({tables})
ORDER BY 1, 2, 3
