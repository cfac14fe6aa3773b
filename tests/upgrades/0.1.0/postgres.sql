--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: audit_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_events (
    sequence bigint NOT NULL,
    "time" bigint NOT NULL,
    tenant_id uuid,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    request_id text NOT NULL,
    details text NOT NULL,
    hash bytea NOT NULL
);


--
-- Name: changes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.changes (
    revision bigint NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    effect text,
    history bytea
);


--
-- Name: fleet; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fleet (
    id integer NOT NULL,
    registrations bigint NOT NULL,
    removals bigint NOT NULL,
    longest_lease_ms bigint NOT NULL
);


--
-- Name: grants; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.grants (
    key_id uuid NOT NULL,
    scope text NOT NULL
);


--
-- Name: head; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.head (
    id integer NOT NULL,
    revision bigint NOT NULL,
    audit_sequence bigint NOT NULL,
    audit_hash bytea NOT NULL
);


--
-- Name: key_last_uses; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.key_last_uses (
    key_id uuid NOT NULL,
    used_at bigint NOT NULL
);


--
-- Name: key_scope_uses; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.key_scope_uses (
    key_id uuid NOT NULL,
    scope text NOT NULL
);


--
-- Name: key_usage; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.key_usage (
    key_id uuid NOT NULL,
    hour bigint NOT NULL,
    reason text NOT NULL,
    calls bigint NOT NULL
);


--
-- Name: keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keys (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    hash bytea NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    environment text NOT NULL,
    prefix text NOT NULL,
    hint text NOT NULL,
    bindings text NOT NULL,
    networks text NOT NULL,
    limits text NOT NULL,
    metadata text NOT NULL,
    state text NOT NULL,
    revoked_at bigint,
    revoke_reason text,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    expires_at bigint,
    rotated_from uuid,
    rotated_to uuid,
    sealed bytea,
    last_used_at bigint,
    idempotency_key text,
    idempotency_hash bytea,
    revision bigint NOT NULL,
    bucket_key uuid
);


--
-- Name: login_histories; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.login_histories (
    account bytea NOT NULL,
    address bytea NOT NULL,
    clear_at bigint NOT NULL,
    known_until bigint NOT NULL,
    ends_at bigint NOT NULL
);


--
-- Name: master_key_marks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.master_key_marks (
    id uuid NOT NULL,
    sealed bytea NOT NULL
);


--
-- Name: migration_lock; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.migration_lock (
    id integer NOT NULL
);


--
-- Name: profiles; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.profiles (
    name text NOT NULL,
    version bigint NOT NULL,
    document text NOT NULL,
    applied_at bigint NOT NULL,
    revision bigint NOT NULL
);


--
-- Name: refresh_tokens; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.refresh_tokens (
    hash bytea NOT NULL,
    family_id uuid NOT NULL,
    scopes text NOT NULL,
    spent_at bigint,
    successor bytea,
    successor_scopes text
);


--
-- Name: replicas; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.replicas (
    id text NOT NULL,
    name text NOT NULL,
    revision bigint NOT NULL,
    holds_until bigint NOT NULL,
    lease_ms bigint,
    beat bigint DEFAULT 0 NOT NULL,
    departed boolean DEFAULT false NOT NULL,
    stable_name text,
    host text,
    history bytea,
    challenge bigint,
    checksum bytea
);


--
-- Name: seaql_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.seaql_migrations (
    version character varying NOT NULL,
    applied_at bigint NOT NULL
);


--
-- Name: shadow_denials; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.shadow_denials (
    profile text NOT NULL,
    tenant_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    subject_type text NOT NULL,
    route text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    hour bigint NOT NULL,
    calls bigint NOT NULL,
    last_at bigint NOT NULL
);


--
-- Name: signing_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.signing_keys (
    id text NOT NULL,
    profile text NOT NULL,
    algorithm text NOT NULL,
    sealed bytea NOT NULL,
    created_at bigint NOT NULL,
    signs_from bigint NOT NULL,
    signs_until bigint,
    longest_seconds bigint NOT NULL,
    withdrawn_at bigint
);


--
-- Name: tenants; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.tenants (
    id uuid NOT NULL,
    slug text NOT NULL,
    display_name text NOT NULL,
    profile text NOT NULL,
    plan text,
    suspended boolean NOT NULL,
    limits text NOT NULL,
    created_at bigint NOT NULL,
    revision bigint NOT NULL
);


--
-- Name: token_families; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.token_families (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    key_id uuid,
    user_id uuid,
    generation bigint NOT NULL,
    audience text NOT NULL,
    ttl_seconds bigint NOT NULL,
    created_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    ended_at bigint
);


--
-- Name: usage_recorders; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_recorders (
    id text NOT NULL,
    batch bigint NOT NULL,
    added_at bigint NOT NULL
);


--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    email text NOT NULL,
    password text NOT NULL,
    role text NOT NULL,
    bindings text NOT NULL,
    disabled boolean NOT NULL,
    generation bigint NOT NULL,
    failed integer NOT NULL,
    failed_at bigint NOT NULL,
    created_at bigint NOT NULL,
    revision bigint NOT NULL,
    environment text
);


--
-- Data for Name: audit_events; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.audit_events VALUES (1, 1795962311426, NULL, 'latchkey', 'key.found', 'key_01a227b2130276c0b6709553525b43ac', 'start', '{}', '\x5bab0f042a7ae41d1b50191655e30ac3e0ff0b69bdda19098b515756cd28bee5');
INSERT INTO public.audit_events VALUES (2, 1795962311479, NULL, 'latchkey', 'profile.apply', 'stored', 'start', '{"version":"1"}', '\x1c20a02ff6541dc6dc706257f76c085e6ada3d77acbb06b663bdc647b94d4732');
INSERT INTO public.audit_events VALUES (3, 1795962311597, NULL, 'latchkey', 'signing_key.create', 'stored', '', '{}', '\x9e5a49de9ce7454415228a0fc7e07adb27292e15f320226af738b20670e9307e');
INSERT INTO public.audit_events VALUES (4, 1795962311603, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'tenant.create', 'acme', 'eckfAiBkdc', '{}', '\xcd5060db9132271dad0c82edfb286f784a489d75afea451eb84cb1da6930daf8');
INSERT INTO public.audit_events VALUES (5, 1795962311742, '01a227b2-143d-72e0-88ea-7eea4ce62ff4', 'key_01a227b2130276c0b6709553525b43ac', 'tenant.create', 'closed', 'uRCfRtlKkH', '{}', '\x8b1bed8e86aedabc9dfed2bf842fc16c20ca2c0c68ebc6d185873d6ee5f57ea6');
INSERT INTO public.audit_events VALUES (6, 1795962313098, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'user.create', 'user_01a227b21531718aa54cbc84145a9008', 'o5sxve251Q', '{"role":"clerk"}', '\x77a17877d0645ed043d7047daae03a95a9520fbcd172c6f86b497f255ca29ab7');
INSERT INTO public.audit_events VALUES (7, 1795962313680, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'user_01a227b21531718aa54cbc84145a9008', 'token.issue', 'fam_01a227b21bd0774a901275b0fa0fce64', 'YPvkBbVtHQ', '{"scopes":"items.read"}', '\x338f0a6a4f965f298445b3e5891764fca477fc629084c17cc12a97c559b48336');
INSERT INTO public.audit_events VALUES (8, 1795962313760, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.create', 'key_01a227b21c207ebe8dfc5fb947ca5900', '9jQyywYY5K', '{"kind":"secret","scopes":"items.read"}', '\x0f09050a051164d3fd677141845ae59f5e0be60b20ea8f83956dfc68314ae058');
INSERT INTO public.audit_events VALUES (9, 1795962313849, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.create', 'key_01a227b21c797fff99a6f0ebf35b3a83', 'Xm23vDh9gt', '{"kind":"secret","scopes":"items.read"}', '\xe737cff30a5209bdf75657e898de790f4d2e29876114cd5c480a8ce0e0e9c5c6');
INSERT INTO public.audit_events VALUES (10, 1795962313925, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.create', 'key_01a227b21cc57107988ae7abe9b31ce9', 'LR808XzHwR', '{"kind":"secret","scopes":"items.read"}', '\x07dff954a1562b0f17f628124b93edb207f2920d79050b4ff4ca0251ecb9ab63');
INSERT INTO public.audit_events VALUES (11, 1795962314009, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.create', 'key_01a227b21d1978e8a69fcde8f05b7963', 'dXuxRTZqtQ', '{"kind":"secret","scopes":"items.read"}', '\x13e0c09629e17c591aa1963dc02e02c3645cfd85c5cfe14455bc6ae3469c198e');
INSERT INTO public.audit_events VALUES (12, 1795962314058, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.update', 'key_01a227b21c797fff99a6f0ebf35b3a83', 'WpbfYkzboo', '{"disabled":"true","fields":"disabled"}', '\xa379675861b3abdd322c31f96bbacf80d0b1564b5d297bf358eec8250d598e65');
INSERT INTO public.audit_events VALUES (13, 1795962314105, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.revoke', 'key_01a227b21cc57107988ae7abe9b31ce9', 'daVPP4ALRc', '{"reason":"the test says so"}', '\x4e191d79321a995dfe7cdba28f3d49aa678f6a54a84eb83fc78a18621dbba471');
INSERT INTO public.audit_events VALUES (14, 1795962314137, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.rotate', 'key_01a227b21d1978e8a69fcde8f05b7963', 'UQz0YyY8Qs', '{"overlap_seconds":"0","successor":"key_01a227b21d9974ecb7c91c04a3c44e6e"}', '\x1bb3c7dc886baa7ea96c5c54ae8b53965e5b94440c8440563113925b301b4a8f');
INSERT INTO public.audit_events VALUES (15, 1795962314175, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.create', 'key_01a227b21dbf7a48b261795f46aa70e7', '4sIHyjGMYd', '{"kind":"secret","scopes":"items.read"}', '\x3da5c289b90052a1fe14f52f29442162e5a7cee07d19a1e08f8cae55a38fe646');
INSERT INTO public.audit_events VALUES (16, 1795962314187, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.create', 'key_01a227b21dcb782fa0ba010dc0778afe', 'bdrNo2unwJ', '{"kind":"secret"}', '\x68576644fa815447c50a0d39c841d3263735160a7d07c98d52b328da9fa6bb10');
INSERT INTO public.audit_events VALUES (17, 1795962314200, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.create', 'key_01a227b21dd8706389f6a1ad87d33e0d', 'cz8N84QZJ3', '{"kind":"secret","scopes":"items.read"}', '\xb4f9d05ab18693edd05c8fbff83bf0178fd6a4b0912bef42a1619f42de867414');
INSERT INTO public.audit_events VALUES (18, 1795962314221, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.create', 'key_01a227b21ded7f88a428f8c72f27b60e', 'DX0sdGk7hy', '{"kind":"secret","scopes":"items.read"}', '\x6a6301dae128595933d48fda5ec4fae350d13be240cd90cb4325ac46a6f8375d');
INSERT INTO public.audit_events VALUES (19, 1795962314236, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.create', 'key_01a227b21dfc727ebbd8a7b30496e04e', 'wz3VGhptmx', '{"kind":"secret","scopes":"items.read"}', '\xd656e651e49c29777ea15d5f8b69d8af41d3736f93b1ceb64c335b9b69de23c0');
INSERT INTO public.audit_events VALUES (20, 1795962314253, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b2130276c0b6709553525b43ac', 'key.create', 'key_01a227b21e0d724d96f91b31c09dd112', 'C63C2kDhcb', '{"kind":"publishable","scopes":"items.read"}', '\x2f94e829013481baf314f4a436c15f0dd715e583c53bdc2e3fe78b662373e0df');
INSERT INTO public.audit_events VALUES (21, 1795962314275, '01a227b2-143d-72e0-88ea-7eea4ce62ff4', 'key_01a227b2130276c0b6709553525b43ac', 'key.create', 'key_01a227b21e23796d9dc97983eddac9c1', 'ggx1MKDjCu', '{"kind":"secret","scopes":"items.read"}', '\x3d4ef2749032246a33809aacc8aff597aa38ee7af675aac242066189bcf69080');
INSERT INTO public.audit_events VALUES (22, 1795962314302, '01a227b2-143d-72e0-88ea-7eea4ce62ff4', 'key_01a227b2130276c0b6709553525b43ac', 'tenant.suspend', 'closed', 'XWzxFY7Ji6', '{}', '\x14a676380300a914c8eed40e6606d315ff8c832d4923f2054b5bc4e1f34517dc');
INSERT INTO public.audit_events VALUES (23, 1795962314320, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b21c207ebe8dfc5fb947ca5900', 'token.issue', 'fam_01a227b21e507e9e8efe59a41434058e', 'qWltIT88IK', '{"scopes":"items.read"}', '\x5fba8ad4af8d346a5bf6038be8f8b1a8b9af43d2e4ff1e5ca42371daa2cdc079');
INSERT INTO public.audit_events VALUES (24, 1795962314331, '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'key_01a227b21c207ebe8dfc5fb947ca5900', 'token.refresh', 'fam_01a227b21e507e9e8efe59a41434058e', 'w9rHHldIFv', '{"scopes":"items.read"}', '\xfaff5235468c9817f343fae25f6d3cadb20729b55d77187c55289f3a49a21082');


--
-- Data for Name: changes; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.changes VALUES (1, 'tenant', '01a227b2-1302-721a-9386-b62ae294c61c', NULL, '\x5bab0f042a7ae41d1b50191655e30ac3e0ff0b69bdda19098b515756cd28bee5');
INSERT INTO public.changes VALUES (2, 'key', '63b981d9fd4f8d51e683dca7bd10f9c3f518e5864b6ce163af673ed644485df5', NULL, '\x5bab0f042a7ae41d1b50191655e30ac3e0ff0b69bdda19098b515756cd28bee5');
INSERT INTO public.changes VALUES (3, 'profile', 'stored', NULL, '\x1c20a02ff6541dc6dc706257f76c085e6ada3d77acbb06b663bdc647b94d4732');
INSERT INTO public.changes VALUES (4, 'signing_keys', 'stored', NULL, '\x9e5a49de9ce7454415228a0fc7e07adb27292e15f320226af738b20670e9307e');
INSERT INTO public.changes VALUES (5, 'tenant', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', NULL, '\xcd5060db9132271dad0c82edfb286f784a489d75afea451eb84cb1da6930daf8');
INSERT INTO public.changes VALUES (6, 'tenant', '01a227b2-143d-72e0-88ea-7eea4ce62ff4', NULL, '\x8b1bed8e86aedabc9dfed2bf842fc16c20ca2c0c68ebc6d185873d6ee5f57ea6');
INSERT INTO public.changes VALUES (7, 'user', 'user_01a227b21531718aa54cbc84145a9008', NULL, '\x77a17877d0645ed043d7047daae03a95a9520fbcd172c6f86b497f255ca29ab7');
INSERT INTO public.changes VALUES (8, 'key', '0df83c6828039191a7b705bae66121d46432042b6772db9225f2b206b8bfbe0e', NULL, '\x0f09050a051164d3fd677141845ae59f5e0be60b20ea8f83956dfc68314ae058');
INSERT INTO public.changes VALUES (9, 'key', '544c4841cdd275ccef070d6ff29c2a7922a7224e909a9ace2d97c121534ac9f1', NULL, '\xe737cff30a5209bdf75657e898de790f4d2e29876114cd5c480a8ce0e0e9c5c6');
INSERT INTO public.changes VALUES (10, 'key', 'b89b152b9cebaa8e48a38a261813243515cd07c04bd391624e83cf82aed6acf3', NULL, '\x07dff954a1562b0f17f628124b93edb207f2920d79050b4ff4ca0251ecb9ab63');
INSERT INTO public.changes VALUES (11, 'key', '58b6c41291101d4361765a6f50c703a318b22b4cbc8cc75ed44464a755664c41', NULL, '\x13e0c09629e17c591aa1963dc02e02c3645cfd85c5cfe14455bc6ae3469c198e');
INSERT INTO public.changes VALUES (12, 'key', '544c4841cdd275ccef070d6ff29c2a7922a7224e909a9ace2d97c121534ac9f1', 'disabled', '\xa379675861b3abdd322c31f96bbacf80d0b1564b5d297bf358eec8250d598e65');
INSERT INTO public.changes VALUES (13, 'key', 'b89b152b9cebaa8e48a38a261813243515cd07c04bd391624e83cf82aed6acf3', 'revoked', '\x4e191d79321a995dfe7cdba28f3d49aa678f6a54a84eb83fc78a18621dbba471');
INSERT INTO public.changes VALUES (14, 'key', '58b6c41291101d4361765a6f50c703a318b22b4cbc8cc75ed44464a755664c41', 'revoked', '\x1bb3c7dc886baa7ea96c5c54ae8b53965e5b94440c8440563113925b301b4a8f');
INSERT INTO public.changes VALUES (15, 'key', '08301a7c4b6957764d7b24936330f2b2199e90134808743a1620ad37ac5844f0', NULL, '\x1bb3c7dc886baa7ea96c5c54ae8b53965e5b94440c8440563113925b301b4a8f');
INSERT INTO public.changes VALUES (16, 'key', '9d88dc601826577c2099057ffa3edc76256e629cf3f54e4fcb5e687bb2a2b1ac', NULL, '\x3da5c289b90052a1fe14f52f29442162e5a7cee07d19a1e08f8cae55a38fe646');
INSERT INTO public.changes VALUES (17, 'key', '08956b22657614834ebe6464c11a58795bba8fb91955c9d7e03e5d91e80ff996', NULL, '\x68576644fa815447c50a0d39c841d3263735160a7d07c98d52b328da9fa6bb10');
INSERT INTO public.changes VALUES (18, 'key', '8fc2576f2a176eff6ae90ecc883a448812cecad628a65964f1b9d3f0b9007ad8', NULL, '\xb4f9d05ab18693edd05c8fbff83bf0178fd6a4b0912bef42a1619f42de867414');
INSERT INTO public.changes VALUES (19, 'key', '85166ca950ca5c9804fbc5d448ef15ef4d30fe9bd26d5ff2219d6e0c32347545', NULL, '\x6a6301dae128595933d48fda5ec4fae350d13be240cd90cb4325ac46a6f8375d');
INSERT INTO public.changes VALUES (20, 'key', '2574d7c981ac95704f89906004594d99be4cd52dc705ba5bbbee7a2bfcfa2390', NULL, '\xd656e651e49c29777ea15d5f8b69d8af41d3736f93b1ceb64c335b9b69de23c0');
INSERT INTO public.changes VALUES (21, 'key', 'f5218e27beccec91a9acbdb54bb565290ec16f9be43327e30ba508e1adb7c1ad', NULL, '\x2f94e829013481baf314f4a436c15f0dd715e583c53bdc2e3fe78b662373e0df');
INSERT INTO public.changes VALUES (22, 'key', 'a78f2b5f9c457935e46f389e52b7cabe893e5dc81d68a9fa44c9e0028a5b8d77', NULL, '\x3d4ef2749032246a33809aacc8aff597aa38ee7af675aac242066189bcf69080');
INSERT INTO public.changes VALUES (23, 'tenant', '01a227b2-143d-72e0-88ea-7eea4ce62ff4', 'suspended', '\x14a676380300a914c8eed40e6606d315ff8c832d4923f2054b5bc4e1f34517dc');


--
-- Data for Name: fleet; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.fleet VALUES (1, 1, 0, 60000);


--
-- Data for Name: grants; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.grants VALUES ('01a227b2-1302-76c0-b670-9553525b43ac', 'latchkey.admin');
INSERT INTO public.grants VALUES ('01a227b2-1c20-7ebe-8dfc-5fb947ca5900', 'items.read');
INSERT INTO public.grants VALUES ('01a227b2-1c79-7fff-99a6-f0ebf35b3a83', 'items.read');
INSERT INTO public.grants VALUES ('01a227b2-1cc5-7107-988a-e7abe9b31ce9', 'items.read');
INSERT INTO public.grants VALUES ('01a227b2-1d19-78e8-a69f-cde8f05b7963', 'items.read');
INSERT INTO public.grants VALUES ('01a227b2-1d99-74ec-b7c9-1c04a3c44e6e', 'items.read');
INSERT INTO public.grants VALUES ('01a227b2-1dbf-7a48-b261-795f46aa70e7', 'items.read');
INSERT INTO public.grants VALUES ('01a227b2-1dd8-7063-89f6-a1ad87d33e0d', 'items.read');
INSERT INTO public.grants VALUES ('01a227b2-1ded-7f88-a428-f8c72f27b60e', 'items.read');
INSERT INTO public.grants VALUES ('01a227b2-1dfc-727e-bbd8-a7b30496e04e', 'items.read');
INSERT INTO public.grants VALUES ('01a227b2-1e0d-724d-96f9-1b31c09dd112', 'items.read');
INSERT INTO public.grants VALUES ('01a227b2-1e23-796d-9dc9-7983eddac9c1', 'items.read');


--
-- Data for Name: head; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.head VALUES (1, 23, 24, '\xfaff5235468c9817f343fae25f6d3cadb20729b55d77187c55289f3a49a21082');


--
-- Data for Name: key_last_uses; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.key_last_uses VALUES ('01a227b2-1302-76c0-b670-9553525b43ac', 1795962315277);
INSERT INTO public.key_last_uses VALUES ('01a227b2-1c20-7ebe-8dfc-5fb947ca5900', 1795962315179);
INSERT INTO public.key_last_uses VALUES ('01a227b2-1d99-74ec-b7c9-1c04a3c44e6e', 1795962315212);
INSERT INTO public.key_last_uses VALUES ('01a227b2-1dbf-7a48-b261-795f46aa70e7', 1795962315162);
INSERT INTO public.key_last_uses VALUES ('01a227b2-1dd8-7063-89f6-a1ad87d33e0d', 1795962315238);
INSERT INTO public.key_last_uses VALUES ('01a227b2-1dfc-727e-bbd8-a7b30496e04e', 1795962315249);
INSERT INTO public.key_last_uses VALUES ('01a227b2-1e0d-724d-96f9-1b31c09dd112', 1795962315257);


--
-- Data for Name: key_scope_uses; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.key_scope_uses VALUES ('01a227b2-1c20-7ebe-8dfc-5fb947ca5900', 'items.read');
INSERT INTO public.key_scope_uses VALUES ('01a227b2-1d99-74ec-b7c9-1c04a3c44e6e', 'items.read');
INSERT INTO public.key_scope_uses VALUES ('01a227b2-1dbf-7a48-b261-795f46aa70e7', 'items.read');
INSERT INTO public.key_scope_uses VALUES ('01a227b2-1dd8-7063-89f6-a1ad87d33e0d', 'items.read');
INSERT INTO public.key_scope_uses VALUES ('01a227b2-1dfc-727e-bbd8-a7b30496e04e', 'items.read');
INSERT INTO public.key_scope_uses VALUES ('01a227b2-1e0d-724d-96f9-1b31c09dd112', 'items.read');


--
-- Data for Name: key_usage; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.key_usage VALUES ('01a227b2-1c20-7ebe-8dfc-5fb947ca5900', 498878, 'OK', 1);
INSERT INTO public.key_usage VALUES ('01a227b2-1c79-7fff-99a6-f0ebf35b3a83', 498878, 'DISABLED', 1);
INSERT INTO public.key_usage VALUES ('01a227b2-1cc5-7107-988a-e7abe9b31ce9', 498878, 'REVOKED', 1);
INSERT INTO public.key_usage VALUES ('01a227b2-1d19-78e8-a69f-cde8f05b7963', 498878, 'REVOKED', 1);
INSERT INTO public.key_usage VALUES ('01a227b2-1d99-74ec-b7c9-1c04a3c44e6e', 498878, 'OK', 1);
INSERT INTO public.key_usage VALUES ('01a227b2-1dbf-7a48-b261-795f46aa70e7', 498878, 'OK', 55);
INSERT INTO public.key_usage VALUES ('01a227b2-1dbf-7a48-b261-795f46aa70e7', 498878, 'EXPIRED', 2);
INSERT INTO public.key_usage VALUES ('01a227b2-1dcb-782f-a0ba-010dc0778afe', 498878, 'INSUFFICIENT_SCOPE', 1);
INSERT INTO public.key_usage VALUES ('01a227b2-1dd8-7063-89f6-a1ad87d33e0d', 498878, 'OK', 1);
INSERT INTO public.key_usage VALUES ('01a227b2-1ded-7f88-a428-f8c72f27b60e', 498878, 'NETWORK_NOT_ALLOWED', 1);
INSERT INTO public.key_usage VALUES ('01a227b2-1dfc-727e-bbd8-a7b30496e04e', 498878, 'OK', 1);
INSERT INTO public.key_usage VALUES ('01a227b2-1e0d-724d-96f9-1b31c09dd112', 498878, 'OK', 1);
INSERT INTO public.key_usage VALUES ('01a227b2-1e23-796d-9dc9-7983eddac9c1', 498878, 'TENANT_SUSPENDED', 1);


--
-- Data for Name: keys; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.keys VALUES ('01a227b2-1302-76c0-b670-9553525b43ac', '01a227b2-1302-721a-9386-b62ae294c61c', '\x63b981d9fd4f8d51e683dca7bd10f9c3f518e5864b6ce163af673ed644485df5', 'root', 'operator', 'live', '', 'cdef', '{}', '[]', '{}', '{}', 'active', NULL, NULL, 1795962311426, 'latchkey', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 2, NULL);
INSERT INTO public.keys VALUES ('01a227b2-1c20-7ebe-8dfc-5fb947ca5900', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', '\x0df83c6828039191a7b705bae66121d46432042b6772db9225f2b206b8bfbe0e', 'plain', 'secret', 'live', 'sk_live_', 'NfRj', '{}', '[]', '{}', '{}', 'active', NULL, NULL, 1795962313760, 'key_01a227b2130276c0b6709553525b43ac', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 8, NULL);
INSERT INTO public.keys VALUES ('01a227b2-1c79-7fff-99a6-f0ebf35b3a83', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', '\x544c4841cdd275ccef070d6ff29c2a7922a7224e909a9ace2d97c121534ac9f1', 'disabled', 'secret', 'live', 'sk_live_', 'T3i3', '{}', '[]', '{}', '{}', 'disabled', NULL, NULL, 1795962313849, 'key_01a227b2130276c0b6709553525b43ac', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 12, NULL);
INSERT INTO public.keys VALUES ('01a227b2-1cc5-7107-988a-e7abe9b31ce9', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', '\xb89b152b9cebaa8e48a38a261813243515cd07c04bd391624e83cf82aed6acf3', 'revoked', 'secret', 'live', 'sk_live_', '2Lz2', '{}', '[]', '{}', '{}', 'revoked', 1795962314105, 'the test says so', 1795962313925, 'key_01a227b2130276c0b6709553525b43ac', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 13, NULL);
INSERT INTO public.keys VALUES ('01a227b2-1d19-78e8-a69f-cde8f05b7963', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', '\x58b6c41291101d4361765a6f50c703a318b22b4cbc8cc75ed44464a755664c41', 'replaced', 'secret', 'live', 'sk_live_', 'MxH9', '{}', '[]', '{}', '{}', 'revoked', 1795962314137, 'rotated to key_01a227b21d9974ecb7c91c04a3c44e6e', 1795962314009, 'key_01a227b2130276c0b6709553525b43ac', NULL, NULL, '01a227b2-1d99-74ec-b7c9-1c04a3c44e6e', NULL, NULL, NULL, NULL, 14, NULL);
INSERT INTO public.keys VALUES ('01a227b2-1d99-74ec-b7c9-1c04a3c44e6e', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', '\x08301a7c4b6957764d7b24936330f2b2199e90134808743a1620ad37ac5844f0', 'replaced', 'secret', 'live', 'sk_live_', 'jGDL', '{}', '[]', '{}', '{}', 'active', NULL, NULL, 1795962314137, 'key_01a227b2130276c0b6709553525b43ac', NULL, '01a227b2-1d19-78e8-a69f-cde8f05b7963', NULL, NULL, NULL, NULL, NULL, 15, '01a227b2-1d19-78e8-a69f-cde8f05b7963');
INSERT INTO public.keys VALUES ('01a227b2-1dbf-7a48-b261-795f46aa70e7', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', '\x9d88dc601826577c2099057ffa3edc76256e629cf3f54e4fcb5e687bb2a2b1ac', 'expired', 'secret', 'live', 'sk_live_', 'KDgR', '{}', '[]', '{}', '{}', 'active', NULL, NULL, 1795962314175, 'key_01a227b2130276c0b6709553525b43ac', 1795962315175, NULL, NULL, NULL, NULL, NULL, NULL, 16, NULL);
INSERT INTO public.keys VALUES ('01a227b2-1dcb-782f-a0ba-010dc0778afe', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', '\x08956b22657614834ebe6464c11a58795bba8fb91955c9d7e03e5d91e80ff996', 'no scope', 'secret', 'live', 'sk_live_', 'ITLL', '{}', '[]', '{}', '{}', 'active', NULL, NULL, 1795962314187, 'key_01a227b2130276c0b6709553525b43ac', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 17, NULL);
INSERT INTO public.keys VALUES ('01a227b2-1dd8-7063-89f6-a1ad87d33e0d', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', '\x8fc2576f2a176eff6ae90ecc883a448812cecad628a65964f1b9d3f0b9007ad8', 'bound', 'secret', 'live', 'sk_live_', 'RTKb', '{"shop":"s_1"}', '[]', '{}', '{}', 'active', NULL, NULL, 1795962314200, 'key_01a227b2130276c0b6709553525b43ac', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 18, NULL);
INSERT INTO public.keys VALUES ('01a227b2-1ded-7f88-a428-f8c72f27b60e', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', '\x85166ca950ca5c9804fbc5d448ef15ef4d30fe9bd26d5ff2219d6e0c32347545', 'confined', 'secret', 'live', 'sk_live_', '9iPy', '{}', '["192.0.2.0/24"]', '{}', '{}', 'active', NULL, NULL, 1795962314221, 'key_01a227b2130276c0b6709553525b43ac', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 19, NULL);
INSERT INTO public.keys VALUES ('01a227b2-1dfc-727e-bbd8-a7b30496e04e', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', '\x2574d7c981ac95704f89906004594d99be4cd52dc705ba5bbbee7a2bfcfa2390', 'limited', 'secret', 'live', 'sk_live_', '1hL8', '{}', '[]', '{"default":[{"per":"key","tokens":5,"period_ms":60000,"burst":5}]}', '{}', 'active', NULL, NULL, 1795962314236, 'key_01a227b2130276c0b6709553525b43ac', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 20, NULL);
INSERT INTO public.keys VALUES ('01a227b2-1e0d-724d-96f9-1b31c09dd112', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', '\xf5218e27beccec91a9acbdb54bb565290ec16f9be43327e30ba508e1adb7c1ad', 'public', 'publishable', 'live', 'pk_', 'I7u1', '{}', '[]', '{}', '{}', 'active', NULL, NULL, 1795962314253, 'key_01a227b2130276c0b6709553525b43ac', NULL, NULL, NULL, '\x3f9f0d17fbcadde1f0b3c2afe040271844cbf6e68acb0820fc02f24bfbb27851cd681cb6f2c352625e856aaca767cee17466ddcb4543ee3187fbac4eb65fb740a5e200472249c0b5754c2c45512f4e0e7bfa2402b764', NULL, NULL, NULL, 21, NULL);
INSERT INTO public.keys VALUES ('01a227b2-1e23-796d-9dc9-7983eddac9c1', '01a227b2-143d-72e0-88ea-7eea4ce62ff4', '\xa78f2b5f9c457935e46f389e52b7cabe893e5dc81d68a9fa44c9e0028a5b8d77', 'of a suspended tenant', 'secret', 'live', 'sk_live_', '44wU', '{}', '[]', '{}', '{}', 'active', NULL, NULL, 1795962314275, 'key_01a227b2130276c0b6709553525b43ac', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 22, NULL);


--
-- Data for Name: login_histories; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.login_histories VALUES ('\x9435bf2bb19a987cc4cd326fe0362576ab352d733297d0a9d2c32dc192bec716', '\xd77af068d8c3ad0ed03e5e75f9f3a0d08b36a30c1444affedd7e200dfec076ce', 0, 1803738313653, 1803738313653);


--
-- Data for Name: master_key_marks; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.master_key_marks VALUES ('fe9028f7-448f-a6b1-c486-6df6484f2a1b', '\x936a64c001c9ae5462e02995ec506b4699f1fdc5fa4bfd9affbbebbbee4feecf0d1c6dc1e702b9525e96d874a7db1aefd70d');


--
-- Data for Name: migration_lock; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.migration_lock VALUES (1);


--
-- Data for Name: profiles; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.profiles VALUES ('stored', 1, 'name = "stored"
hosts = [{ host = "*" }]
[credential]
sources = ["header:x-api-key"]
[resource]
shop = "header:x-shop"
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_", test = "sk_test_" }
[[kinds]]
name = "publishable"
prefix = "pk_"
retrievable = true
scopes = ["items.read"]
default_scopes = ["items.read"]
[[scopes]]
name = "items.read"
[[scopes]]
name = "items.write"
[[scopes]]
name = "api_keys.manage"
[[routes]]
methods = ["GET"]
path = "/items"
scopes = ["items.read"]
[[plans]]
name = "gold"
rate_limits = { default = [{ per = "key", rate = "600/min" }] }
[rate_limits]
default = [{ per = "key", rate = "300/min" }]
[jwt]
issuer = "https://stored.example.dev"
audience = "stored"
ttl = "1h"
refresh_ttl = "366d"
[[roles]]
name = "clerk"
scopes = ["items.read"]
', 1795962311479, 3);


--
-- Data for Name: refresh_tokens; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.refresh_tokens VALUES ('\xd3d080e3937ee29668f6986342d420bb9676bb9dbda02265cba063a995a28a33', '01a227b2-1bd0-774a-9012-75b0fa0fce64', '["items.read"]', NULL, NULL, NULL);
INSERT INTO public.refresh_tokens VALUES ('\x274ee7a52e91f88e02e6a4e83873b3841b429e7ebcbe2c450bec50df2efff6a8', '01a227b2-1e50-7e9e-8efe-59a41434058e', '["items.read"]', 1795962314330, '\x11eaf0ce64d63440a2bc679e26bf3e2f2d11eb3c4d10ea8acdf0143e205d4f51c16776b2132331372bed36171bfbd3d93deda09b51192992e6b0b6fca76b58dd1f7389bd3ce7ac55d57e461cff9cd21076a00ac4f057ad5900d2a62257', '["items.read"]');
INSERT INTO public.refresh_tokens VALUES ('\x44fccf00de6b4fc5b03d8fa38d6b3bd8226fe6a1a1a91b1539031b0058d72742', '01a227b2-1e50-7e9e-8efe-59a41434058e', '["items.read"]', NULL, NULL, NULL);


--
-- Data for Name: replicas; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.replicas VALUES ('745423eed06b655d92389940affb1fc5', '127.0.0.1:30085', 9223372036854775807, 0, 0, 24, true, NULL, '6dfdc8ba-8292-4b23-aac8-b6767ef6e38e net:[4026531833]', NULL, NULL, '\x2d78f23ad725dda40b6807c174cf0cdb');


--
-- Data for Name: seaql_migrations; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.seaql_migrations VALUES ('m0001_tenants', 1795962310);
INSERT INTO public.seaql_migrations VALUES ('m0002_keys', 1795962310);
INSERT INTO public.seaql_migrations VALUES ('m0003_profiles', 1795962311);
INSERT INTO public.seaql_migrations VALUES ('m0004_ledger', 1795962311);
INSERT INTO public.seaql_migrations VALUES ('m0005_replicas', 1795962311);
INSERT INTO public.seaql_migrations VALUES ('m0006_users', 1795962311);
INSERT INTO public.seaql_migrations VALUES ('m0007_tokens', 1795962311);
INSERT INTO public.seaql_migrations VALUES ('m0008_usage', 1795962311);
INSERT INTO public.seaql_migrations VALUES ('m0009_user_environment', 1795962311);
INSERT INTO public.seaql_migrations VALUES ('m0010_shadow', 1795962311);
INSERT INTO public.seaql_migrations VALUES ('m0011_master_keys', 1795962311);
INSERT INTO public.seaql_migrations VALUES ('m0012_revocation', 1795962311);
INSERT INTO public.seaql_migrations VALUES ('m0013_bucket_key', 1795962311);
INSERT INTO public.seaql_migrations VALUES ('m0014_logins', 1795962311);


--
-- Data for Name: shadow_denials; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: signing_keys; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.signing_keys VALUES ('n5twaGeMVVM3X6l7ECmsD1', 'stored', 'EdDSA', '\x33acff0a52d25b0ab4613f877a139fbcf0ccb386c5e0f7076ba30ef229e7952e68853eece349ac420765baad51739ac32bd553ee8dbda88eb734bb920aabbb752ca702105bab7784c9a8e5f3e10d5da7e0749a1ccba7e5baaf3ca8a21818c66cf2d5134daf6457d9', 1795962311597, 1795962311597, NULL, 3600, NULL);


--
-- Data for Name: tenants; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.tenants VALUES ('01a227b2-1302-721a-9386-b62ae294c61c', 'latchkey', 'Operators', 'latchkey', NULL, false, '{}', 1795962311426, 1);
INSERT INTO public.tenants VALUES ('01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'acme', 'Tenant acme', 'stored', 'gold', false, '{}', 1795962311603, 5);
INSERT INTO public.tenants VALUES ('01a227b2-143d-72e0-88ea-7eea4ce62ff4', 'closed', 'Tenant closed', 'stored', NULL, true, '{}', 1795962311741, 23);


--
-- Data for Name: token_families; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.token_families VALUES ('01a227b2-1bd0-774a-9012-75b0fa0fce64', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', NULL, '01a227b2-1531-718a-a54c-bc84145a9008', 1, 'stored', 3600, 1795962313680, 1827584713680, NULL);
INSERT INTO public.token_families VALUES ('01a227b2-1e50-7e9e-8efe-59a41434058e', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', '01a227b2-1c20-7ebe-8dfc-5fb947ca5900', NULL, 0, 'stored', 3600, 1795962314320, 1827584714320, NULL);


--
-- Data for Name: usage_recorders; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.usage_recorders VALUES ('c1708a47094f39d9e17d56e522b165df', 1, 1795962315299);


--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.users VALUES ('01a227b2-1531-718a-a54c-bc84145a9008', '01a227b2-13b3-77dc-a49b-6eeb72f54a2f', 'ada@example.dev', '$argon2id$v=19$m=19456,t=2,p=1$tGp5cX9LKBXoUX1bj+Ja8A$Bk3XAV8PaG5Q6otZwK7AkqCLcGdQJUOaAvwC4pV7tVU', 'clerk', '{}', false, 1, 0, 0, 1795962311985, 7, NULL);


--
-- Name: audit_events audit_events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (sequence);


--
-- Name: changes changes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.changes
    ADD CONSTRAINT changes_pkey PRIMARY KEY (revision);


--
-- Name: fleet fleet_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fleet
    ADD CONSTRAINT fleet_pkey PRIMARY KEY (id);


--
-- Name: grants grants_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_pkey PRIMARY KEY (key_id, scope);


--
-- Name: head head_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.head
    ADD CONSTRAINT head_pkey PRIMARY KEY (id);


--
-- Name: key_last_uses key_last_uses_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.key_last_uses
    ADD CONSTRAINT key_last_uses_pkey PRIMARY KEY (key_id);


--
-- Name: key_scope_uses key_scope_uses_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.key_scope_uses
    ADD CONSTRAINT key_scope_uses_pkey PRIMARY KEY (key_id, scope);


--
-- Name: key_usage key_usage_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.key_usage
    ADD CONSTRAINT key_usage_pkey PRIMARY KEY (key_id, hour, reason);


--
-- Name: keys keys_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT keys_hash_key UNIQUE (hash);


--
-- Name: keys keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT keys_pkey PRIMARY KEY (id);


--
-- Name: login_histories login_histories_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.login_histories
    ADD CONSTRAINT login_histories_pkey PRIMARY KEY (account, address);


--
-- Name: master_key_marks master_key_marks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.master_key_marks
    ADD CONSTRAINT master_key_marks_pkey PRIMARY KEY (id);


--
-- Name: migration_lock migration_lock_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.migration_lock
    ADD CONSTRAINT migration_lock_pkey PRIMARY KEY (id);


--
-- Name: profiles profiles_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.profiles
    ADD CONSTRAINT profiles_pkey PRIMARY KEY (name, version);


--
-- Name: refresh_tokens refresh_tokens_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (hash);


--
-- Name: replicas replicas_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.replicas
    ADD CONSTRAINT replicas_pkey PRIMARY KEY (id);


--
-- Name: seaql_migrations seaql_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.seaql_migrations
    ADD CONSTRAINT seaql_migrations_pkey PRIMARY KEY (version);


--
-- Name: shadow_denials shadow_denials_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.shadow_denials
    ADD CONSTRAINT shadow_denials_pkey PRIMARY KEY (profile, tenant_id, subject_id, subject_type, route, reason, detail, hour);


--
-- Name: signing_keys signing_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (id);


--
-- Name: tenants tenants_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);


--
-- Name: tenants tenants_slug_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_slug_key UNIQUE (slug);


--
-- Name: token_families token_families_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.token_families
    ADD CONSTRAINT token_families_pkey PRIMARY KEY (id);


--
-- Name: usage_recorders usage_recorders_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_recorders
    ADD CONSTRAINT usage_recorders_pkey PRIMARY KEY (id);


--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);


--
-- Name: audit_events_by_tenant; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_events_by_tenant ON public.audit_events USING btree (tenant_id, sequence);


--
-- Name: audit_events_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_events_by_time ON public.audit_events USING btree ("time");


--
-- Name: key_usage_by_hour; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX key_usage_by_hour ON public.key_usage USING btree (hour);


--
-- Name: keys_by_tenant_and_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX keys_by_tenant_and_age ON public.keys USING btree (tenant_id, id);


--
-- Name: keys_made_once; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX keys_made_once ON public.keys USING btree (tenant_id, idempotency_key);


--
-- Name: login_histories_by_end; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX login_histories_by_end ON public.login_histories USING btree (ends_at);


--
-- Name: refresh_tokens_by_family; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX refresh_tokens_by_family ON public.refresh_tokens USING btree (family_id);


--
-- Name: shadow_denials_by_hour; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX shadow_denials_by_hour ON public.shadow_denials USING btree (hour);


--
-- Name: token_families_by_end; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX token_families_by_end ON public.token_families USING btree (ends_at);


--
-- Name: token_families_by_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX token_families_by_key ON public.token_families USING btree (key_id, id);


--
-- Name: token_families_by_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX token_families_by_user ON public.token_families USING btree (user_id, id);


--
-- Name: users_by_tenant_and_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX users_by_tenant_and_age ON public.users USING btree (tenant_id, id);


--
-- Name: users_by_tenant_and_email; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX users_by_tenant_and_email ON public.users USING btree (tenant_id, email);


--
-- Name: grants grants_key_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_key_id_fkey FOREIGN KEY (key_id) REFERENCES public.keys(id);


--
-- Name: keys keys_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: refresh_tokens refresh_tokens_family_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_family_id_fkey FOREIGN KEY (family_id) REFERENCES public.token_families(id);


--
-- Name: token_families token_families_key_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.token_families
    ADD CONSTRAINT token_families_key_id_fkey FOREIGN KEY (key_id) REFERENCES public.keys(id);


--
-- Name: token_families token_families_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.token_families
    ADD CONSTRAINT token_families_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- Name: token_families token_families_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.token_families
    ADD CONSTRAINT token_families_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);


--
-- Name: users users_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id);


--
-- PostgreSQL database dump complete
--


