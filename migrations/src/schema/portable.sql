SELECT columns.table_name::text AS of_table, 'fact' AS kind, 'column ' || columns.column_name::text AS words
FROM information_schema.columns AS columns
WHERE columns.table_schema = current_schema() AND columns.table_name IN ({tables})
UNION ALL
SELECT tables.table_name::text, 'fact', 'table'
FROM information_schema.tables AS tables
WHERE tables.table_schema = current_schema() AND tables.table_type = 'BASE TABLE' AND tables.table_name IN ({tables})
